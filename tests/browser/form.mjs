// Sends a plain form without JavaScript: node form.mjs CHROMIUM PAGE FILE...
// Prints where the browser ended, and the status there, as JSON.
import { chromium } from "../../.cache/npm/node_modules/playwright-core/index.mjs";

const [executablePath, page, ...files] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] }); // sandboxes cannot be nested in containers
const context = await browser.newContext({ javaScriptEnabled: false });
const tab = await context.newPage();
tab.setDefaultTimeout(400_000);
await tab.goto(page);
await tab.setInputFiles("input[type=file]", files);
const [response] = await Promise.all([
    tab.waitForNavigation({ waitUntil: "load" }),
    tab.click("button"),
]);
console.log(JSON.stringify({ url: tab.url(), status: response.status() }));
await browser.close();
