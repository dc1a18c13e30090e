// Opens a page and says what its images became: node srcset.mjs CHROMIUM PAGE WIDTH RATIO
// Prints {"images": {id: {url, type, pixel}}, "complaints": [...]}. `pixel`: of an image with crossorigin the colour in its
// upper left quarter, as a canvas reads it.
import { chromium } from "../../.cache/npm/node_modules/playwright-core/index.mjs";

const [executablePath, page, width, ratio] = process.argv.slice(2);

// In the page.
function look() {
    const pixel = (image) => {
        const canvas = document.createElement("canvas");
        canvas.width = image.naturalWidth;
        canvas.height = image.naturalHeight;
        const context = canvas.getContext("2d");
        context.drawImage(image, 0, 0);
        return [...context.getImageData(canvas.width / 4, canvas.height / 4, 1, 1).data];
    };
    const describe = (image) => ({ url: image.currentSrc, pixel: image.crossOrigin === null ? null : pixel(image) });
    return Object.fromEntries([...document.images].map((image) => [image.id, describe(image)]));
}

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] }); // sandboxes cannot be nested in containers
const context = await browser.newContext({ viewport: { width: Number(width), height: 600 }, deviceScaleFactor: Number(ratio) });
const tab = await context.newPage();
tab.setDefaultTimeout(400_000);
const complaints = [], responses = [];
tab.on("console", (message) => complaints.push(message.text()));
tab.on("pageerror", (error) => complaints.push(String(error)));
tab.on("response", (response) => responses.push(response));
await tab.goto(page, { waitUntil: "load" });
const images = await tab.evaluate(look);
for (const image of Object.values(images))
    image.type = await responses.find((response) => response.url() === image.url)?.headerValue("content-type");
console.log(JSON.stringify({ images, complaints }));
await browser.close();
