// Lines to copy: the address of the image as it is now, a curl command, an <img> with a srcset.
import { sentence } from "./api.js";
import { element } from "./format.js";
import { imageAddress } from "./image.js";
import { atWidth, WIDTHS } from "./picture_sizes.js";

const SAID_MS = 5000; // what became of a copy
const EXTENSIONS = { jpeg: "jpg" };

const inShell = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
const inHtml = (text) => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");

/** Whether it was copied; if not, it is selected. */
async function copy(text, place) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch { // a page that is not from https or this machine has no clipboard
    getSelection().selectAllChildren(place);
    return document.execCommand("copy");
  }
}

/** A line with a button that copies it; set(text) changes it. */
function copyLine(name) {
  const code = element("code", { tabindex: 0, "aria-label": name, role: "textbox", "aria-readonly": "true" });
  const button = element("button", { type: "button", class: "quiet", "aria-label": `Copy: ${name}` }, "Copy");
  const status = element("span", { role: "status", class: "faint" });
  let timer = 0;
  button.onclick = async () => {
    const isCopied = await copy(code.textContent, code);
    status.textContent = isCopied ? "Copied." : "Not copied: it is selected, copy it with the keyboard.";
    clearTimeout(timer);
    timer = setTimeout(() => (status.textContent = ""), SAID_MS);
  };
  const place = element("div", { class: "line" }, element("span", { class: "faint" }, name), code,
    element("span", { class: "row" }, status, button));
  return { element: place, set: (text) => (code.textContent = text) };
}

function curlOf(address, file, query) {
  const format = new URLSearchParams(query).get("fm"), stem = file.name.replace(/\.[^.]*$/, "") || "image";
  const output = format ? `-o ${inShell(`${stem}.${EXTENSIONS[format] ?? format}`)}` : "-OJ";
  const accept = /(^|&)auto=/.test(query) ? " -H 'Accept: image/avif,image/webp'" : "";
  return `curl ${inShell(address)}${accept} ${output}`;
}

// Of several that became as wide as one another (fit=max) the first will do.
function srcsetOf(addresses, widths) {
  const used = addresses.map((address, i) => ({ address: inHtml(address), width: widths[i] })).filter(({ width }, i) => widths.indexOf(width) === i);
  return `<img src="${used.at(-1).address}"\n  srcset="${used.map(({ address, width }) => `${address} ${width}w`).join(",\n    ")}"\n  sizes="(max-width: 640px) 100vw, 640px" alt="">`;
}

/** { element, follow(query), measured(query, widths) } */
export function startLines(file, signal) {
  const url = copyLine("URL"), curl = copyLine("curl"), srcset = copyLine("HTML with srcset");
  const note = element("p", { class: "faint small" });
  let turn = 0, asked = null, sources = [], widths = WIDTHS;

  // Signed where the server signs; where it does not, or this key may not ask, the address is just put together.
  async function address(query, refused) {
    let path = `/images/${file.id}?${query}`;
    if (file.image.includes("sig=")) path = await imageAddress(file, query, signal).catch((error) => (refused.push(error), path));
    return location.origin + path;
  }

  function noteOf(address, refused) {
    if (refused.length > 0) return `Not all of these addresses are signed, and the server refuses one that is not: ${sentence(refused[0])}`;
    const expires = new URLSearchParams(address.split("?")[1]).get("expires");
    return expires ? `These addresses are signed, and good until ${new Date(expires * 1000).toLocaleString()}.` : "";
  }

  async function follow(query) {
    const mine = ++turn;
    if (query !== asked) [asked, sources, widths] = [query, [], WIDTHS];
    const queries = [query, ...WIDTHS.map((width) => atWidth(query, width))], refused = [];
    const addresses = await Promise.all(queries.map((each) => address(each, refused)));
    if (mine !== turn || signal.aborted) return;
    url.set(addresses[0]);
    curl.set(curlOf(addresses[0], file, query));
    sources = addresses.slice(1);
    srcset.set(srcsetOf(sources, widths));
    note.textContent = noteOf(addresses[0], refused);
  }

  // A border, a turn or fit=max gives other widths than those that were asked for.
  function measured(query, made) {
    if (query !== asked) return;
    widths = WIDTHS.map((width, i) => made[i] ?? width);
    if (sources.length > 0) srcset.set(srcsetOf(sources, widths));
  }

  const place = element("div", { class: "lines card" }, element("h4", {}, "Lines to copy"), note, url.element, curl.element, srcset.element);
  return { element: place, follow, measured };
}
