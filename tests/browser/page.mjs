// A browser for the tests of the page: it complains of errors, of what is logged, and of requests to other hosts.
import { chromium } from "../../.cache/npm/node_modules/playwright-core/index.mjs";

/** steps(tab, context) returns facts, which are printed as JSON together with the complaints. */
export async function run(executablePath, origin, steps, options = {}) {
    const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] }); // sandboxes cannot be nested in containers
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    const tab = await context.newPage();
    const complaints = [];
    tab.setDefaultTimeout(120_000);
    tab.on("console", (message) => {
        if (["error", "warning"].includes(message.type()) && !/Failed to load resource/.test(message.text())) complaints.push(message.text());
    });
    tab.on("pageerror", (error) => complaints.push(String(error)));
    tab.on("request", (request) => {
        if (!request.url().startsWith(`${origin}/`) && !/^(blob|data):/.test(request.url())) complaints.push(`asks ${request.url()}`);
    });
    const facts = await steps(tab, context);
    console.log(JSON.stringify({ facts, complaints }));
    await browser.close();
}
