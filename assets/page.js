// The page: which part is shown, the key, and what is said of the server at the top.

import { api, keepKey, key, sentence } from "./api.js";
import * as files from "./files.js";
import * as loop from "./loop.js";
import * as operator from "./operator.js";

const parts = { files, loop, operator };
const find = (id) => document.getElementById(id);
let shown = null;

// ---- parts ----

/** One part at a time: the address names it, and only it does something. Other addresses (#main) leave it as it is. */
function show() {
  const asked = location.hash.slice(1), name = Object.hasOwn(parts, asked) ? asked : (shown ?? "files");
  if (name === shown) return;
  if (shown !== null) parts[shown].stop?.();
  shown = name;
  for (const part of Object.keys(parts)) {
    find(part).hidden = part !== name;
    const link = document.querySelector(`nav a[data-part="${part}"]`);
    if (part === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${find(`${name}-title`).textContent} · Millrace`;
  parts[name].start(find(name));
}

function restart() {
  parts[shown]?.stop?.();
  shown = null;
  show();
}

// ---- the key ----

const dialog = find("key-dialog");

function askForKey(text = "") {
  find("key-button").hidden = false;
  if (dialog.open) return; // a person types
  find("key-error").textContent = text;
  find("key-error").hidden = text === "";
  find("key-input").value = key();
  dialog.returnValue = ""; // Escape leaves it as it is
  dialog.showModal();
}

async function useKey() {
  const typed = find("key-input").value.trim();
  find("key-input").value = "";
  if (dialog.returnValue === "forget") {
    keepKey("");
    location.reload(); // nothing stays that the key has opened
  } else if (dialog.returnValue === "use" && !/^[\x21-\x7e]+$/.test(typed)) {
    askForKey("A key has letters, digits and signs of ASCII, without spaces.");
  } else if (dialog.returnValue === "use") {
    keepKey(typed);
    if (await greet()) restart();
  }
}

// ---- the server ----

function say(text, kind = "") {
  find("state").textContent = text;
  find("state").dataset.kind = kind;
}

/** Is the server there, and does it take the key? */
async function greet() {
  try {
    const version = await (await api("/version")).json();
    find("version").textContent = `Millrace ${version.version}`;
    say(`${version.offload === "workers" ? "" : `--offload=${version.offload}, `}${version.workers} ${version.workers === 1 ? "worker" : "workers"}`);
    return true;
  } catch (error) {
    const isKeyNeeded = error.status === 401;
    say(isKeyNeeded ? "A key is needed" : sentence(error), "bad");
    return !isKeyNeeded;
  }
}

dialog.addEventListener("close", useKey);
find("key-button").addEventListener("click", () => askForKey());
addEventListener("millrace-unauthorized", () => askForKey(key() === "" ? "" : "The server does not know this key."));
addEventListener("hashchange", show);
find("key-button").hidden = key() === "";
await greet();
show();
