// What each script of our own page begins with: a browser, a tab that is watched, and questions to the test.
//   node SCRIPT CHROMIUM URL SCENARIO JSON
// prints lines: {"ask": name}, which the test answers with a line, and at the end {"result": what the scenario returned}.
import { createInterface } from "node:readline";
import { chromium } from "../../.cache/npm/node_modules/playwright-core/index.mjs";

const LONGEST_MS = 400_000; // of one wait: no measure of speed

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Ask the test, and wait for its answer. */
export async function ask(name) {
    console.log(JSON.stringify({ ask: name }));
    return JSON.parse((await answers.next()).value);
}

/** A tab, with what it complained of and which other hosts it asked. */
export async function openTab(browser, url, { key, ...options } = {}) {
    const context = await browser.newContext({ acceptDownloads: true, ...options });
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    if (key) await context.addInitScript((key) => sessionStorage.setItem("millrace-key", key), key);
    const tab = await context.newPage();
    const origin = new URL(url).origin;
    tab.seen = { complaints: [], foreign: [] };
    tab.setDefaultTimeout(LONGEST_MS);
    tab.on("console", (message) => ["error", "warning"].includes(message.type()) && tab.seen.complaints.push(message.text()));
    tab.on("pageerror", (error) => tab.seen.complaints.push(String(error)));
    context.on("request", (request) => {
        if (!/^(blob|data):/.test(request.url()) && new URL(request.url()).origin !== origin) tab.seen.foreign.push(request.url());
    });
    await tab.goto(url);
    return tab;
}

/** Run the scenario that the command line names. */
export async function drive(scenarios) {
    const [executablePath, url, name, json] = process.argv.slice(2);
    const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] }); // sandboxes cannot be nested in containers
    let status = 0;
    try {
        console.log(JSON.stringify({ result: await scenarios[name]({ browser, url, ...JSON.parse(json) }) }));
    } catch (error) {
        console.error(error);
        status = 1;
    }
    await browser.close();
    process.exit(status); // standard input is still open
}
