// The part Loop, used as a person does: node page_loop.mjs CHROMIUM ORIGIN STEP PICTURES [KEY]
// PICTURES: a directory for screenshots, or "".
import { faults } from "./looks.mjs";
import { run } from "./page.mjs";

const [executablePath, origin, step, pictures, key] = process.argv.slice(2);

const textOf = (found) => found.map((row) => [...row.cells].map((cell) => cell.textContent));
const rows = (tab) => tab.locator("#runs-rows tr").evaluateAll(textOf);

// What the table behind a strip has in the columns of these names, once there is something in each: {name: [number, ...]}.
async function figures(tab, title, names) {
    const figure = tab.locator("#strips figure", { has: tab.getByRole("heading", { name: title }) });
    await figure.locator("summary").click();
    const handle = await tab.waitForFunction(([table, names]) => {
        const headings = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
        const columns = names.map((name) => [name, [...table.tBodies[0].rows]
            .map((row) => Number(row.cells[headings.indexOf(name)].dataset.value ?? 0)).filter((value) => value > 0)]);
        return columns.every(([, values]) => values.length > 0) && Object.fromEntries(columns);
    }, [await figure.locator("table").elementHandle(), names]);
    return handle.jsonValue();
}

async function load(tab, offload, rate, seconds) {
    const before = await tab.locator("#runs-rows tr").count();
    await tab.getByRole("radio", { name: offload }).check();
    await tab.getByRole("spinbutton", { name: "Jobs a second" }).fill(String(rate));
    await tab.getByRole("spinbutton", { name: "Seconds" }).fill(String(seconds));
    await tab.getByRole("button", { name: "Start" }).click();
    await tab.locator("#runs-rows tr").nth(before).waitFor();
}

const violations = (tab) => faults(tab, pictures && `${pictures}/loop-${step}`);

// A tab that another one covers; headless browsers have none.
const hide = (tab, isHidden) => tab.evaluate((isHidden) => {
    Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}, isHidden);

const listeners = (tab) => tab.evaluate(async () => Number(/^millrace_events_listeners (\d+)$/m.exec(await (await fetch("/metrics")).text())[1]));

async function listenersBecome(tab, wanted) {
    while ((await listeners(tab)) !== wanted) await tab.waitForTimeout(50);
    return wanted;
}

const steps = {
    async switched(tab) {
        await load(tab, "inline", 200, 2);
        const lines = await figures(tab, "How long a small request waits", ["this browser felt", "the loop says: max", "the stream stood still"]);
        await load(tab, "workers", 20, 2);
        const seen = { lines, rows: await rows(tab), words: await tab.locator("#runs-words").innerText(), violations: await violations(tab) };
        await tab.reload();
        await tab.locator("#runs-rows tr").nth(1).waitFor();
        return { ...seen, again: await rows(tab) };
    },
    async compared(tab) {
        await tab.getByRole("spinbutton", { name: "Seconds" }).fill("2");
        await tab.getByRole("button", { name: "Compare" }).click();
        await tab.getByText("Both runs are over").waitFor();
        return { rows: await rows(tab), words: await tab.locator("#runs-words").innerText() };
    },
    // Both parts that need a key with the right to it.
    async keyed(tab) {
        await load(tab, "none", 20, 2);
        const seen = { rows: await rows(tab), off: await tab.locator("#lab-off").isVisible() };
        await tab.getByRole("link", { name: "Operator" }).click();
        await tab.locator("#operator .verdict", { hasText: "Takes new work." }).waitFor();
        return { ...seen, headings: await tab.locator("#operator h3").allTextContents() };
    },
    // The server goes back by itself.
    async back(tab) {
        await tab.evaluate(() => fetch("/lab/offload?kind=none&seconds=10", { method: "PUT" }));
        await tab.locator("[value=none]:checked").waitFor();
        const words = await tab.locator("#offload-left").innerText();
        await tab.locator("[value=workers]:checked").waitFor();
        return { words, then: await tab.locator("#offload-left").textContent() };
    },
    async hidden(tab) {
        const seen = [await listenersBecome(tab, 1)];
        await hide(tab, true);
        seen.push(await listenersBecome(tab, 0));
        await hide(tab, false);
        seen.push(await listenersBecome(tab, 1));
        await tab.getByRole("link", { name: "Files" }).click();
        seen.push(await listenersBecome(tab, 0));
        return seen;
    },
    async closed(tab) {
        await tab.locator("#lab-off").waitFor();
        const felt = await figures(tab, "How long a small request waits", ["this browser felt"]);
        return { off: await tab.locator("#lab-off").innerText(), isShown: await tab.locator("#lab").isVisible(), felt, violations: await violations(tab) };
    },
};

await run(executablePath, origin, async (tab) => {
    if (key) await tab.addInitScript((key) => sessionStorage.setItem("millrace-key", key), key);
    await tab.goto(`${origin}/#loop`);
    return steps[step](tab);
});
