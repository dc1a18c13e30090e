// Where the time of one image went: a bar, and the same in words.
import { bytes, element, seconds, three } from "./format.js";

// What the server measures, and what is left of its total and of the time that this browser saw.
function split({ ms, parts }) {
  const { wait = 0, work = 0, total = 0 } = parts;
  return { wait, work, rest: Math.max(total - wait - work, 0), network: Math.max(ms - total, 0) };
}

const CACHE_WORDS = [[/detail=disk/, "from the server's disk"], [/hit/, "from the server's memory"], [/collapsed/, "made for another request at the same time"],
  [/fallback/, "shown in its place"], [/miss/, "made now"]];

export function cacheWords({ cache }) {
  return CACHE_WORDS.find(([pattern]) => pattern.test(cache))?.[1] ?? "";
}

/** The bar of a made image; `scale` is the time, in milliseconds, that is as wide as the bar may be. */
export function timingBar(made, scale = made.ms) {
  const times = Object.entries(split(made)).filter(([, ms]) => ms > 0);
  const words = times.map(([name, ms]) => `${name} ${seconds(ms / 1000)}`).join(", ");
  const bar = element("span", { class: "timing-bar", "aria-hidden": "true" }, ...times.map(([name, ms]) => {
    const part = element("span", { class: `timing-${name}` });
    part.style.width = `${(ms / Math.max(scale, made.ms)) * 100}%`;
    return part;
  }));
  const legend = element("span", { class: "timing-words" }, ...times.map(([name, ms]) =>
    element("span", { class: `timing-key timing-${name}` }, `${name} ${seconds(ms / 1000)}`)));
  return element("span", { class: "timing", title: `${seconds(made.ms / 1000)}: ${words}` }, bar, legend);
}

/** "45 KB webp, 12 % of the original" */
export function sizeWords(made, original) {
  const share = original > 0 ? `, ${three((made.blob.size / original) * 100)} % of the original` : "";
  return `${bytes(made.blob.size)} ${made.type.replace("image/", "")}${share}`;
}
