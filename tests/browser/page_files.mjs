// The part "Files" of the page, as people use it. See driver.mjs for how it is run.
import { mkdirSync } from "node:fs";
import { ask, drive, openTab } from "./driver.mjs";
import { violations } from "./looks.mjs";

const KEPT = ".upload[data-state=kept]";
const choose = (tab, ...files) => tab.setInputFiles("#files-chosen", files);
const stateOf = (tab, state) => tab.waitForSelector(`.upload[data-state=${state}]`);
const rowOf = (tab, name) => tab.locator(".file", { hasText: name });
const texts = (tab, selector) => tab.locator(selector).allTextContents();

// Uploads at this many bytes a second; 0: as fast as they go.
async function throttle(tab, rate) {
    tab.session ??= await tab.context().newCDPSession(tab);
    await tab.session.send("Network.enable");
    await tab.session.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: rate || -1 });
}

// In the page: what the first upload's bar and words were, each time they changed, and how many were sent at a time.
function record() {
    const seen = (window.recorded = { values: [], speeds: 0, atOnce: 0 });
    const look = () => {
        const bar = document.querySelector(".upload progress"), text = document.querySelector(".upload-text");
        if (bar && bar.value !== seen.values.at(-1)) seen.values.push(bar.value);
        if (text && /\/s, .* left/.test(text.textContent)) seen.speeds++;
        seen.atOnce = Math.max(seen.atOnce, document.querySelectorAll(".upload[data-state=sending], .upload[data-state=storing]").length);
    };
    new MutationObserver(look).observe(document.getElementById("files-uploads"), { subtree: true, childList: true, attributes: true, characterData: true });
}

async function look(tab, name) {
    await rowOf(tab, name).locator("button.file-name").click();
    await tab.waitForSelector("#files-details h3");
}

async function waitForResult(tab) {
    await tab.waitForFunction(() => document.querySelector(".compare .result")?.naturalWidth > 0 && !document.querySelector(".compare.is-making"));
}

async function saveDownload(tab, directory, name, act) {
    const [download] = await Promise.all([tab.waitForEvent("download"), act()]);
    await download.saveAs(`${directory}/${name}`);
    return download.suggestedFilename();
}

async function sendThrough(tab, directory, way, name, fields = {}) {
    await tab.selectOption("#through-way", way);
    for (const [field, value] of Object.entries(fields)) await tab.fill(`#through-${field}`, value);
    const suggested = await saveDownload(tab, directory, name, () => tab.click(".through button[type=submit]"));
    await tab.waitForFunction((text) => document.querySelector(".through [role=status]").textContent.startsWith(text), `${suggested}: `);
    return { suggested, status: (await texts(tab, ".through [role=status]"))[0] };
}

drive({
    async large({ browser, url, file }) {
        const tab = await openTab(browser, url);
        await tab.evaluate(record);
        await choose(tab, file);
        await stateOf(tab, "kept");
        return { ...(await tab.evaluate(() => window.recorded)), rows: await texts(tab, "#files-list button.file-name"), ...tab.seen };
    },

    async several({ browser, url, files }) {
        const tab = await openTab(browser, url);
        await tab.evaluate(record);
        await choose(tab, ...files);
        await tab.waitForFunction((count) => document.querySelectorAll(".upload[data-state=kept]").length === count, files.length);
        const { atOnce } = await tab.evaluate(() => window.recorded);
        const status = (await texts(tab, "#files-upload-status"))[0];
        await tab.click("#files-clear");
        const left = await tab.locator(".upload").count();
        await tab.evaluate(() => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File(["dropped"], "dropped.txt"));
            document.querySelector("footer").dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
        });
        await stateOf(tab, "kept");
        return { atOnce, status, left, rows: (await texts(tab, "#files-list button.file-name")).sort(), ...tab.seen };
    },

    async cancel({ browser, url, file }) {
        const tab = await openTab(browser, url);
        await throttle(tab, 10_000_000);
        await choose(tab, file);
        await tab.waitForFunction(() => document.querySelector(".upload progress")?.value > 0);
        await tab.click("h2 >> visible=true"); // a page that was not touched may not warn
        const warned = tab.waitForEvent("dialog");
        await tab.evaluate(() => void setTimeout(() => location.reload(), 0));
        const dialog = await warned, kind = dialog.type();
        await dialog.dismiss();
        await tab.click(".upload button >> text=Cancel");
        await stateOf(tab, "cancelled");
        const listed = await ask("list");
        await throttle(tab, 0);
        await tab.click(".upload button >> text=Retry");
        await stateOf(tab, "kept");
        return { kind, listed, ...tab.seen };
    },

    async restart({ browser, url, file }) {
        const tab = await openTab(browser, url);
        await throttle(tab, 10_000_000);
        await choose(tab, file);
        await tab.waitForFunction(() => document.querySelector(".upload progress")?.value > 0);
        await ask("kill");
        await stateOf(tab, "failed");
        const problem = (await texts(tab, ".upload .error"))[0];
        await throttle(tab, 0);
        await ask("start");
        await tab.click(".upload button >> text=Retry");
        await stateOf(tab, "kept");
        return { problem, left: await tab.locator(".upload .error").count(), ...tab.seen };
    },

    async refused({ browser, url, file }) {
        const tab = await openTab(browser, url);
        await choose(tab, file);
        await stateOf(tab, "failed");
        return { problem: (await texts(tab, ".upload .error"))[0], retry: await tab.locator(".upload button >> text=Retry").isVisible(), ...tab.seen };
    },

    async unavailable({ browser, url }) {
        const tab = await openTab(browser, url);
        await tab.waitForSelector("#files-problem .error");
        return { problem: (await texts(tab, "#files-problem"))[0], empty: await tab.locator("#files-empty").isVisible(), ...tab.seen };
    },

    async list({ browser, url }) {
        const tab = await openTab(browser, url);
        await tab.waitForSelector(".file");
        const first = await tab.locator(".file").count();
        await tab.click("#files-more");
        await tab.waitForFunction((count) => document.querySelectorAll(".file").length > count, first);
        const all = await tab.locator(".file").count(), more = await tab.locator("#files-more").isVisible();
        const remove = rowOf(tab, "last.txt").locator("button >> text=Delete");
        await remove.click();
        await tab.click("#files-delete button >> text=Keep it");
        const kept = await rowOf(tab, "last.txt").count();
        await remove.click();
        await tab.click("#files-delete button >> text=Delete it");
        await rowOf(tab, "last.txt").waitFor({ state: "detached" });
        return { first, all, more, kept, ...tab.seen };
    },

    async operations({ browser, url, name }) {
        const tab = await openTab(browser, url), failed = [];
        tab.on("requestfailed", (request) => failed.push(`${new URL(request.url()).pathname} ${request.failure().errorText}`));
        await tab.waitForSelector(".file");
        await look(tab, name);
        await waitForResult(tab);
        await tab.waitForFunction(() => document.querySelectorAll(".size .timing-words").length === 4);
        const sizes = await texts(tab, ".size figcaption");
        const fields = await tab.evaluate(() => Object.fromEntries([...document.querySelectorAll(".operations [name]")].map((input) =>
            [input.name, { type: input.type, min: input.min, max: input.max, words: [...(input.options ?? [])].map((option) => option.value) }])));
        // A slow result is asked for, and another one before it has come.
        const asked = tab.waitForRequest((request) => request.url().includes("w=5000"));
        await tab.selectOption("[name=fm]", "png");
        await tab.fill("[name=w]", "5000");
        await asked;
        await ask("working");
        await tab.fill("[name=w]", "300");
        await tab.selectOption("[name=fm]", "webp");
        await tab.waitForFunction(() => document.querySelector(".compare .result").naturalWidth === 300);
        await tab.waitForFunction(() => /cancelled [1-9]/.test(document.querySelector(".aborted").textContent));
        const made = (await texts(tab, ".made"))[0], aborted = (await texts(tab, ".aborted"))[0];
        await tab.fill("[name=w]", "0");
        await tab.waitForSelector(".compare-place .error");
        const problem = (await texts(tab, ".compare-place .error"))[0];
        await tab.fill("[name=w]", "200");
        await tab.waitForFunction(() => document.querySelector(".compare .result").naturalWidth === 200);
        await tab.waitForFunction(() => document.querySelector(".lines code").textContent.includes("w=200"));
        const lines = await texts(tab, ".lines code");
        await tab.click("button[aria-label='Copy: URL']");
        const copied = await tab.evaluate(() => navigator.clipboard.readText());
        const slider = tab.locator(".compare-place input[type=range]");
        await slider.focus();
        await tab.keyboard.press("Home");
        const split = await tab.evaluate(() => document.querySelector(".compare").style.getPropertyValue("--split"));
        return { sizes, fields, made, aborted, problem, lines, copied, split, failed, left: await tab.locator(".compare-place .error").count(), ...tab.seen };
    },

    async focus({ browser, url, name }) {
        const tab = await openTab(browser, url);
        await tab.waitForSelector(".file");
        await look(tab, name);
        await tab.waitForFunction(() => document.querySelector(".focus-frame img")?.naturalWidth > 0);
        const box = await tab.locator(".focus-frame img").boundingBox();
        await tab.locator(".focus-frame").click({ position: { x: box.width * 0.25, y: box.height * 0.75 } });
        await tab.waitForFunction(() => document.querySelector(".focus-place [role=status]").textContent.startsWith("Saved: 25"));
        const clicked = await ask("focal");
        await tab.focus(".focus-marker");
        for (const key of ["ArrowRight", "ArrowRight", "Shift+ArrowUp"]) await tab.keyboard.press(key);
        await tab.waitForFunction(() => document.querySelector(".focus-place [role=status]").textContent.startsWith("Saved: 27"));
        const moved = await ask("focal");
        await tab.waitForFunction(() => [...document.querySelectorAll(".focus-cuts img")].every((image) => image.naturalWidth > 0));
        await tab.click("button >> text=Remove the focal point");
        await tab.waitForFunction(() => document.querySelector(".focus-place [role=status]").textContent.startsWith("Removed"));
        return { clicked, moved, removed: await ask("focal"), ...tab.seen };
    },

    async through({ browser, url, name, directory, ways }) {
        const tab = await openTab(browser, url), made = {};
        await tab.waitForSelector(".file");
        await look(tab, name);
        await tab.waitForSelector("#through-way");
        for (const [way, fields] of ways) made[way] = await sendThrough(tab, directory, way, way.replace("/", "-"), fields);
        await tab.selectOption("#through-way", "gzip");
        const link = tab.locator(".through a >> text=link");
        const suggested = await saveDownload(tab, directory, "link", () => link.click());
        await tab.selectOption("#through-way", "gunzip");
        await tab.click(".through button[type=submit]");
        await tab.waitForSelector(".through .error");
        return { made, suggested, problem: (await texts(tab, ".through .error"))[0], ...tab.seen };
    },

    async plain({ browser, url, files }) {
        const tab = await openTab(browser, url, { javaScriptEnabled: false });
        await choose(tab, ...files);
        await Promise.all([tab.waitForURL(/\/$/), tab.waitForEvent("load"), tab.click("#files-form button")]);
        return { url: tab.url(), heading: (await texts(tab, "h1"))[0], ...tab.seen };
    },

    async keyed({ browser, url, key, file, name, directory }) {
        const tab = await openTab(browser, url, { key });
        await choose(tab, file);
        await tab.waitForSelector(KEPT);
        await look(tab, name);
        await waitForResult(tab);
        // Those of the list may have been given up: it is not seen any more.
        await tab.waitForFunction(() => [...document.querySelectorAll("#files-details img")].every((image) => image.naturalWidth > 0));
        const sources = await tab.evaluate(() => [...document.querySelectorAll("#files-details img")].map((image) => image.src.split(":")[0]));
        await saveDownload(tab, directory, "whole", () => tab.click("#files-details button >> text=Download"));
        await sendThrough(tab, directory, "zstd", "zstd");
        const link = await tab.locator(".through a >> text=link").isVisible();
        return { sources: [...new Set(sources)], link, lines: await texts(tab, ".lines code"), ...tab.seen };
    },

    async keyboard({ browser, url, file, name }) {
        const tab = await openTab(browser, url);
        const press = (key) => tab.keyboard.press(key);
        const reach = async (wanted, key = "Tab") => {
            for (let i = 0; i < 200; i++) {
                if (await tab.evaluate((wanted) => document.activeElement.matches(wanted), wanted)) return;
                await press(key);
            }
            throw new Error(`${key} does not reach ${wanted}`);
        };
        await reach("#files-chosen");
        const [chooser] = await Promise.all([tab.waitForEvent("filechooser"), press("Space")]);
        await chooser.setFiles(file);
        await tab.waitForSelector(KEPT);
        await reach(".file button.file-name");
        await press("Enter");
        await waitForResult(tab);
        const focused = await tab.evaluate(() => document.activeElement.textContent);
        await reach("[name=w]");
        await press("Control+A");
        await tab.keyboard.type("123");
        await tab.waitForFunction(() => document.querySelector(".compare .result").naturalWidth === 123);
        await reach(".compare-place input[type=range]");
        await press("End");
        await reach(".focus-marker");
        await press("ArrowDown");
        await tab.waitForFunction(() => document.querySelector(".focus-place [role=status]").textContent.startsWith("Saved"));
        await tab.evaluate(() => document.querySelector("#files-details h3").focus());
        await reach("#files-details .row > button:first-child", "Shift+Tab");
        await press("Enter");
        await tab.waitForSelector("#files-all:not([hidden])");
        const back = await tab.evaluate(() => document.activeElement.textContent);
        await press("Tab");
        await press("Enter");
        await tab.waitForSelector("#files-delete[open]");
        await press("Escape");
        const kept = await rowOf(tab, name).count();
        await press("Enter");
        await press("Tab");
        await press("Enter");
        await rowOf(tab, name).waitFor({ state: "detached" });
        return { focused, back, kept, ...tab.seen };
    },

    async looks({ browser, url, name, screenshots, states }) {
        mkdirSync(screenshots, { recursive: true });
        const found = [];
        for (const colorScheme of ["light", "dark"]) {
            for (const width of [320, 1280]) {
                const tab = await openTab(browser, url, { colorScheme, viewport: { width, height: 800 }, reducedMotion: "reduce" });
                const report = async (state) => {
                    const sides = await tab.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
                    const shot = `${screenshots}/files-${state}-${colorScheme}-${width}.png`;
                    await tab.screenshot({ path: shot, fullPage: true });
                    found.push({ state, colorScheme, width, violations: await violations(tab), sticksOut: sides[0] - sides[1], ...tab.seen });
                };
                if (states === "empty") {
                    await tab.waitForSelector("#files-empty:not([hidden]), #files-problem .error");
                    await report("empty");
                } else if (states === "uploads") {
                    const file = (name, size) => ({ name, mimeType: "text/plain", buffer: Buffer.alloc(size) });
                    await tab.setInputFiles("#files-chosen", [file("kept.txt", 10), file(name, 2_000_000)]);
                    await tab.waitForFunction(() => document.querySelector("[data-state=kept]") && document.querySelector("[data-state=failed]"));
                    await throttle(tab, 1000);
                    await tab.setInputFiles("#files-chosen", ["a", "b", "c", "d"].map((name) => file(`${name}.txt`, 500_000)));
                    await tab.waitForFunction(() => document.querySelector("[data-state=sending] progress")?.value > 0 && document.querySelector("[data-state=waiting]"));
                    await report("uploads");
                } else {
                    await tab.waitForSelector(".thumbnail img");
                    await report("list");
                    await rowOf(tab, name).locator("button >> text=Delete").click();
                    await report("delete");
                    await tab.keyboard.press("Escape");
                    await look(tab, name);
                    await waitForResult(tab);
                    await tab.waitForFunction(() => document.querySelectorAll(".size .timing-words").length === 4 && document.querySelector(".lines code").textContent !== "");
                    await report("picture");
                }
                await tab.context().close();
            }
        }
        return found;
    },
});
