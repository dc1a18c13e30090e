// What axe (npm axe-core) finds wrong in a page, and what does not fit.
import { readFile } from "node:fs/promises";

const AXE = await readFile(new URL("../../.cache/npm/node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** Of the page as it is now: "rule: selector" each. */
export async function violations(tab) {
    await tab.evaluate(AXE);
    const { violations } = await tab.evaluate((runOnly) => window.axe.run({ runOnly }), RULES);
    return violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target.join(" ")}`));
}

/** The same on a wide screen in the light and on a phone in the dark, and what is wider than that. pictures: the beginning of their paths; none: none are taken. */
export async function faults(tab, pictures) {
    const found = [];
    for (const [colorScheme, width] of [["light", 1280], ["dark", 320]]) {
        await tab.emulateMedia({ colorScheme });
        await tab.setViewportSize({ width, height: 900 });
        if (pictures) await tab.screenshot({ path: `${pictures}-${colorScheme}-${width}.png`, fullPage: true });
        if (await tab.evaluate(() => document.documentElement.scrollWidth > innerWidth)) found.push(`wider than ${width} pixels`);
        found.push(...(await violations(tab)));
    }
    return found;
}
