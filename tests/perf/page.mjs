// Opens the page in Chromium for bench_page.py; prints JSON.
//   node page.mjs CHROMIUM felt URL OFFLOAD KIND RATE SECONDS    one load: its row of the page's table
//   node page.mjs CHROMIUM paint URL BLANK PAIRS                 [{page, blank}]: seconds until the first paint
import { chromium } from "../../.cache/npm/node_modules/playwright-core/index.mjs";

const [executablePath, what, url, ...words] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] }); // sandboxes cannot be nested in containers

async function felt(offload, kind, rate, seconds) {
    const tab = await (await browser.newContext()).newPage();
    tab.setDefaultTimeout(120_000);
    await tab.goto(`${url}/#loop`);
    await tab.check(`[name=offload][value=${offload}]`);
    await tab.selectOption("[name=kind]", kind);
    await tab.fill("[name=rate]", rate);
    await tab.fill("[name=seconds]", seconds);
    await tab.waitForTimeout(1000); // the page itself is at rest
    await tab.getByRole("button", { name: "Start" }).click();
    await tab.waitForSelector("#runs-rows tr");
    const rows = await tab.evaluate(() => JSON.parse(sessionStorage.getItem("millrace-runs")));
    return rows.at(-1);
}

async function firstPaint(address) {
    const context = await browser.newContext(); // nothing is cached
    const tab = await context.newPage();
    await tab.goto(address, { waitUntil: "load" });
    const time = await tab.evaluate(() => new Promise((resolve) => {
        const observer = new PerformanceObserver((list) => resolve(list.getEntries()[0].startTime / 1000));
        observer.observe({ type: "paint", buffered: true });
    }));
    await context.close();
    return time;
}

async function paint(blank, count) {
    await firstPaint(url + blank);
    await firstPaint(`${url}/`);
    const pairs = [];
    for (let i = 0; i < Number(count); i++) {
        const [first, second] = i % 2 === 0 ? [`${url}/`, url + blank] : [url + blank, `${url}/`];
        const times = { [first]: await firstPaint(first), [second]: await firstPaint(second) };
        pairs.push({ page: times[`${url}/`], blank: times[url + blank] });
    }
    return pairs;
}

console.log(JSON.stringify(await { felt, paint }[what](...words)));
await browser.close();
