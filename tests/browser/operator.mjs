// The part "Operator": node operator.mjs CHROMIUM ORIGIN [SCREENSHOT]
import { connect } from "node:net";
import { run } from "./page.mjs";

const [executablePath, origin, screenshot] = process.argv.slice(2);
const { hostname, port } = new URL(origin);

/** A request whose body does not come, or not all of it. */
function begin(head, body = "") {
    const socket = connect(port, hostname);
    socket.on("error", () => {});
    socket.write(`${head} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n`);
    return { end: () => socket.destroy(), send: (fields) => socket.write(`${fields}\r\n\r\n${body}`) };
}

function upload(length, body) {
    const request = begin("PUT /files/operator", body);
    request.send(`Content-Length: ${length}`);
    return request;
}

/** In the page: each sentence that it has said. */
function noteVerdicts() {
    const verdict = document.querySelector("#operator .verdict");
    window.verdicts = [verdict.textContent];
    new MutationObserver(() => window.verdicts.push(verdict.textContent)).observe(verdict, { childList: true, characterData: true, subtree: true });
}

const row = (tab, name) => tab.locator("#operator tr, #operator dl > div").filter({ hasText: name });

await run(executablePath, origin, async (tab) => {
    const facts = {};
    await tab.goto(`${origin}/#operator`);
    await tab.locator(".verdict", { hasText: "Takes new work." }).waitFor();
    await tab.evaluate(noteVerdicts);
    facts.headings = await tab.locator("#operator h3").allTextContents();
    facts.before = await tab.getByText("None since the start.").count();

    const slow = upload(100, "x".repeat(10));
    await row(tab, "Oldest upload").filter({ hasText: "1 upload under way" }).waitFor();
    slow.end();
    await row(tab, "Oldest upload").filter({ hasText: "None is under way." }).waitFor();

    const refused = upload(2 ** 50, "x".repeat(100_000)); // the disk is asked when there is something to write
    await row(tab, "no-space").waitFor();
    facts.refused = await row(tab, "no-space").locator("td").last().textContent();
    refused.end();
    await tab.waitForFunction(() => window.verdicts.some((text) => /^Saturated because .* (refused|left for files)/.test(text)));
    await tab.locator(".verdict", { hasText: "Takes new work." }).waitFor();
    await tab.locator("#operator [role=status]", { hasText: "Takes new work." }).waitFor({ state: "attached" }); // it was read aloud

    facts.blocked = await row(tab, "Blocked the loop last").locator("dd").textContent();
    facts.meters = await tab.locator("#operator meter").evaluateAll((all) => all.map((one) => [one.labels[0].textContent, one.parentElement.querySelector("p").textContent]));
    await tab.locator("#operator summary").click();
    await row(tab, "libvips").waitFor();
    if (screenshot !== undefined) await tab.screenshot({ path: screenshot, fullPage: true });

    await tab.getByRole("link", { name: "Loop", exact: true }).click(); // the stream ends with the part
    await tab.waitForFunction(async () => /^millrace_events_listeners 0$/m.test(await (await fetch("/metrics")).text()));
    await tab.getByRole("link", { name: "Operator", exact: true }).click();
    await tab.locator(".verdict", { hasText: "Takes new work." }).waitFor();
    facts.tables = await tab.locator("#operator table").count();
    return facts;
});
