// The parts of the page, and its key: node shell.mjs CHROMIUM ORIGIN [KEY]
import { faults } from "./looks.mjs";
import { run } from "./page.mjs";

const [executablePath, origin, key] = process.argv.slice(2);

async function parts(tab) {
    const seen = {};
    for (const name of ["Loop", "Operator", "Files"]) {
        await tab.getByRole("link", { name, exact: true }).click();
        await tab.getByRole("heading", { name, exact: true, level: 2 }).waitFor();
        if (name === "Operator") await tab.getByRole("heading", { name: "Queue" }).waitFor();
        seen[name] = { title: await tab.title(), shown: await tab.locator("main > section:visible").count(), faults: await faults(tab) };
    }
    return seen;
}

await run(executablePath, origin, async (tab) => {
    await tab.goto(`${origin}/`);
    let ofDialog = [];
    if (key !== undefined) {
        await tab.getByRole("dialog").waitFor();
        ofDialog = await faults(tab);
        await tab.getByLabel("Key", { exact: true }).fill("wrong");
        await tab.keyboard.press("Enter");
        await tab.getByText("The server does not know this key.").waitFor();
        await tab.getByLabel("Key", { exact: true }).fill(key);
        await tab.getByRole("button", { name: "Use the key" }).click();
    }
    await tab.locator("#state", { hasText: "worker" }).waitFor();
    return { ofDialog, parts: await parts(tab), version: await tab.locator("#version").textContent() };
});
