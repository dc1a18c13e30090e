// Opens a page in each colour scheme and width and says what it saw, as JSON: node look.mjs CHROMIUM PAGE DIRECTORY
// DIRECTORY gets a screenshot of each.
import { pathToFileURL } from "node:url";
import { violations } from "./looks.mjs";
import { chromium } from "../../.cache/npm/node_modules/playwright-core/index.mjs";

const [executablePath, page, directory] = process.argv.slice(2);
const widths = { wide: 1280, phone: 360 };

// In the page: the worst contrast between a text and its ground (WCAG 2.2), and what sticks out or is too small.
function measure() {
    const channels = (color) => color.match(/[\d.]+/g).map(Number);
    const luminance = ([r, g, b]) =>
        [r, g, b].map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
            .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const ground = (element) => {
        for (; element; element = element.parentElement) {
            const color = channels(getComputedStyle(element).backgroundColor);
            if (color.length === 3 || color[3] === 1) return color;
        }
        return [255, 255, 255];
    };
    const visible = [...document.querySelectorAll("body *")].filter((e) => e.getClientRects().length > 0);
    const texts = visible.filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim() !== ""));
    let worst = { contrast: 21, text: "" }, smallest = { size: 99, text: "" };
    for (const element of texts) {
        const style = getComputedStyle(element), svg = element.ownerSVGElement;
        if (["title", "desc"].includes(element.tagName)) continue;
        const pair = [channels(svg ? style.fill : style.color), ground(element)].map(luminance).sort((a, b) => b - a);
        const contrast = (pair[0] + 0.05) / (pair[1] + 0.05);
        const scale = svg ? svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : 1;
        const size = parseFloat(style.fontSize) * scale;
        if (contrast < worst.contrast) worst = { contrast, text: element.textContent.slice(0, 60) };
        if (size < smallest.size) smallest = { size, text: element.textContent.slice(0, 60) };
    }
    // Texts of one plot must not lie on each other.
    const overlaps = [];
    for (const svg of document.querySelectorAll("svg")) {
        const boxes = [...svg.querySelectorAll("text")].map((t) => [t.textContent, t.getBoundingClientRect()]);
        boxes.forEach(([a, p], i) => boxes.slice(i + 1).forEach(([b, q]) => {
            if (p.width > 0 && p.left < q.right && q.left < p.right && p.top + 2 < q.bottom && q.top + 2 < p.bottom)
                overlaps.push(`${a} / ${b}`);
        }));
    }
    const root = document.documentElement, xml = new XMLSerializer();
    const drawings = [...document.querySelectorAll("svg")].map((svg) => xml.serializeToString(svg));
    return { title: document.title, drawings, worst, smallest, overlaps, scrollWidth: root.scrollWidth, clientWidth: root.clientWidth };
}

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] }); // sandboxes cannot be nested in containers
const seen = [];
for (const colorScheme of ["light", "dark"]) {
    for (const [name, width] of Object.entries(widths)) {
        const context = await browser.newContext({ colorScheme, viewport: { width, height: 800 }, deviceScaleFactor: name === "phone" ? 2 : 1 });
        const tab = await context.newPage();
        const complaints = [], requests = [];
        tab.on("console", (message) => complaints.push(message.text()));
        tab.on("pageerror", (error) => complaints.push(String(error)));
        tab.on("dialog", (dialog) => (complaints.push(`dialog: ${dialog.message()}`), dialog.dismiss()));
        tab.on("request", (request) => requests.push(request.url()));
        await tab.goto(pathToFileURL(page).href);
        const facts = { ...(await tab.evaluate(measure)), violations: await violations(tab) };
        await tab.screenshot({ path: `${directory}/${colorScheme}-${name}.png`, fullPage: true });
        // A data: URL leaves the machine no more than the page itself does.
        seen.push({ colorScheme, name, complaints, requests: requests.slice(1).filter((url) => !url.startsWith("data:")), ...facts });
        await context.close();
    }
}
await browser.close();
console.log(JSON.stringify(seen));
