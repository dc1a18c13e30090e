// How Chromium draws image files: node frames.mjs CHROMIUM FILE... prints {FILE: {frames: [a PNG of each, in base64], as}}. `as` is "frames", or
// "img" where ImageDecoder refuses the file and an <img> shows what there is of it. script/contact-sheet odd asks for it.
import { readFileSync } from "node:fs";
import { extname } from "node:path";
import { chromium } from "../../.cache/npm/node_modules/playwright-core/index.mjs";

const TYPES = { ".jpg": "image/jpeg", ".png": "image/png", ".gif": "image/gif", ".webp": "image/webp" };
const FRAMES_MAX = 4;

/** In the page. */
async function draw({ bytes, type, framesMax }) {
    const data = Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0));
    const pngOf = async (image, width, height) => {
        const canvas = new OffscreenCanvas(width, height);
        canvas.getContext("2d").drawImage(image, 0, 0);
        const png = new Uint8Array(await (await canvas.convertToBlob()).arrayBuffer());
        return btoa(String.fromCharCode(...png));
    };
    const frames = [];
    try {
        const decoder = new ImageDecoder({ data, type });
        await decoder.tracks.ready;
        const count = Math.min(decoder.tracks.selectedTrack.frameCount, framesMax);
        for (let frameIndex = 0; frameIndex < count; frameIndex++) {
            const { image } = await decoder.decode({ frameIndex });
            frames.push(await pngOf(image, image.displayWidth, image.displayHeight));
        }
    } catch {
        // what was drawn until then
    }
    if (frames.length > 0) return { frames, as: "frames" };
    try {
        const image = new Image();
        image.src = URL.createObjectURL(new Blob([data], { type }));
        await image.decode();
        return { frames: [await pngOf(image, image.naturalWidth, image.naturalHeight)], as: "img" };
    } catch {
        return { frames, as: "frames" };
    }
}

const [executablePath, ...files] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] }); // sandboxes cannot be nested in containers
const tab = await browser.newPage();
await tab.route("**/*", (route) => route.fulfill({ contentType: "text/html", body: "" }));
await tab.goto("https://frames.test/"); // ImageDecoder is for secure origins alone; nothing goes to the network
const result = {};
for (const file of files) {
    const type = TYPES[extname(file)];
    result[file] = type ? await tab.evaluate(draw, { bytes: readFileSync(file).toString("base64"), type, framesMax: FRAMES_MAX }) : null;
}
console.log(JSON.stringify(result));
await browser.close();
