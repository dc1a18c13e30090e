// A file through stages to a download: compressed, encrypted and back. A link does it where nothing secret is needed;
// else, and to see its speed, it is fetched and then saved.
import { api, key, Problem } from "./api.js";
import { bytes, element, percent, rate, seconds } from "./format.js";
import { showProblem } from "./problem.js";
import { addressOf } from "./image.js";

const WAYS = ["gzip", "zstd", "encrypt", "gzip/encrypt", "zstd/encrypt", "decrypt", "decrypt/gunzip", "decrypt/unzstd", "gunzip", "unzstd"];
const SUFFIXES = { gzip: ".gz", zstd: ".zst", encrypt: ".age" };
const STRIPPED = { gunzip: /\.gz$|\.tgz$/i, unzstd: /\.zst$/i, decrypt: /\.age$/i };
const SHOW_MS = 100;

const nameOf = (file, stages) => stages.split("/").reduce(
  (name, stage) => (SUFFIXES[stage] ? name + SUFFIXES[stage] : name.replace(STRIPPED[stage], "")), file.name || file.id);

function likelyWay(file) {
  if (/\.age$/i.test(file.name) || file.type === "application/age-encryption") return "decrypt";
  if (/gzip/.test(file.type)) return "gunzip";
  if (/zstd/.test(file.type)) return "unzstd";
  return "gzip";
}

// fetch() sends field values as Latin-1: UTF-8 goes through as its bytes.
const asField = (text) => String.fromCharCode(...new TextEncoder().encode(text));

function save(blob, name) {
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Fetch and save; counted(bytes so far) is called as they come. The seconds and bytes that it took. */
async function download(address, name, { headers, signal, counted }) {
  const began = performance.now();
  let count = 0;
  const counting = new TransformStream({ transform(chunk, controller) {
    counted((count += chunk.byteLength), (performance.now() - began) / 1000);
    controller.enqueue(chunk);
  } });
  const response = await api(address, { headers, signal });
  const blob = await new Response(response.body.pipeThrough(counting)).blob();
  const took = Math.max(performance.now() - began, 1) / 1000;
  save(blob, name);
  return { took, count };
}

/**
 * What is seen of the downloads that the button `run` starts, one at a time. While one runs, Cancel takes the button's place.
 * start({ address, name, headers, words(count, took), done(count, took) }): the words are shown as it goes, and when it is done.
 */
function transferOf(run, over) {
  const problem = element("div", { role: "alert" }), status = element("span", { role: "status" }), live = element("span");
  const bar = element("progress", { hidden: true, "aria-label": "Download" });
  const cancel = element("button", { type: "button", class: "quiet", hidden: true, onclick: () => running?.abort() }, "Cancel");
  let running = null;

  // The focus goes from the button that goes to the one that comes.
  function change(isRunning) {
    const [from, to] = isRunning ? [run, cancel] : [cancel, run], isFocused = from === document.activeElement;
    cancel.hidden = bar.hidden = !isRunning;
    run.disabled = isRunning;
    if (isFocused) to.focus();
  }

  function explain(error) {
    status.textContent = running.signal.aborted ? "Cancelled: nothing was saved." : "";
    if (running.signal.aborted || over.aborted) return;
    showProblem(problem, error instanceof Problem ? error : new Error("The download was cut: the file does not hold what it should, or the server has ended. Nothing was saved."));
  }

  async function start({ address, name, headers, words, done }) {
    if (running !== null) return;
    running = new AbortController();
    let shown = 0;
    const counted = (count, took) => {
      if (performance.now() - shown < SHOW_MS) return;
      shown = performance.now();
      live.textContent = words(count, took);
    };
    change(true);
    problem.replaceChildren();
    status.textContent = `Fetching ${name}…`;
    try {
      const { took, count } = await download(address, name, { headers, counted, signal: AbortSignal.any([running.signal, over]) });
      status.textContent = done(count, took);
    } catch (error) {
      explain(error);
    }
    running = null;
    live.textContent = "";
    change(false);
  }

  return { start, problem, status, live, bar, cancel };
}

// ---- the file as it is ----

// What browsers show and do not save.
const IS_SHOWN = /^(image\/(jpeg|png|webp|gif|avif)|audio\/|video\/(mp4|webm)|text\/plain)/;

function linksTo(href, file, name) {
  const save = element("a", { class: "button quiet", href, download: name }, "Download");
  return IS_SHOWN.test(file.type) ? [save, element("a", { class: "button quiet", href, target: "_blank" }, "Open")] : [save];
}

function buttonOf(file, name, over) {
  const run = element("button", { type: "button", class: "quiet" }, "Download"), transfer = transferOf(run, over);
  run.onclick = () => transfer.start({
    address: file.url, name,
    words: (count) => `${bytes(count)} of ${bytes(file.size)}`,
    done: (count, took) => `${name}: ${bytes(count)}, ${seconds(took)}.`,
  });
  return [run, transfer.cancel, element("span", {}, transfer.live, " ", transfer.status, transfer.problem)];
}

/** Links where every client may read the file, else a button that sends the key. Returns what stops it. */
export function startDownload(place, file) {
  const over = new AbortController(), name = file.name || file.id;
  addressOf(file, over.signal).catch(() => null).then((address) =>
    place.append(...(address ? linksTo(address, file, name) : buttonOf(file, name, over.signal))));
  return () => over.abort();
}

// ---- the form ----

function field(name, label, input, hint) {
  input.id = `through-${name}`;
  input.name = name;
  const parts = [element("label", { for: input.id }, label), input];
  if (hint) {
    parts.push(element("span", { class: "hint", id: `through-${name}-hint` }, hint));
    input.setAttribute("aria-describedby", `through-${name}-hint`);
  }
  return element("div", { class: "field" }, ...parts);
}

const RECIPIENTS = "public keys, with spaces between; or a passphrase";
const IS_SECRET = "This holds a secret key, and an address is no place for one: servers write addresses down. Give its public key (age1…).";

// Nothing is sent, and no link is made, while a secret key stands where the address is made from.
function refuseSecret(field) {
  const input = field.querySelector("input"), hint = field.querySelector(".hint");
  const text = !field.hidden && /AGE-SECRET-KEY-/i.test(input.value) ? IS_SECRET : "";
  input.setCustomValidity(text);
  hint.classList.toggle("error", text !== "");
  if (hint.textContent !== (text || RECIPIENTS)) hint.textContent = text || RECIPIENTS;
}

const secret = () => element("input", { type: "password", autocomplete: "off", spellcheck: "false" });

function formOf(file, stages) {
  const known = new Map(stages.map((stage) => [stage.name, stage]));
  const ways = WAYS.filter((way) => way.split("/").every((stage) => known.has(stage)));
  const way = element("select", {}, ...ways.map((each) => element("option", { value: each }, each.replace("/", ", then "))));
  const level = element("input", { type: "number", inputmode: "numeric" });
  const fields = {
    level: field("level", "Level", level, " "),
    recipient: field("recipient", "Recipients", element("input", { type: "text", spellcheck: "false", placeholder: "age1…" }), RECIPIENTS),
    passphrase: field("passphrase", "Passphrase", secret(), "is sent in a header field, and kept by neither side"),
    identity: field("identity", "Identity", secret(), "AGE-SECRET-KEY-1…, where the server takes it (--allow-request-identity); without both, the server's own"),
  };
  const form = element("form", { class: "through-form" }, field("way", "Send it through", way), ...Object.values(fields));
  const follow = () => {
    const used = way.value.split("/"), graded = used.find((stage) => stage === "gzip" || stage === "zstd");
    fields.level.hidden = level.disabled = !graded; // what is not seen has no say in whether the form is right
    fields.recipient.hidden = !used.includes("encrypt");
    fields.identity.hidden = !used.includes("decrypt");
    fields.passphrase.hidden = !used.includes("encrypt") && !used.includes("decrypt");
    refuseSecret(fields.recipient);
    if (!graded) return;
    const about = known.get(graded).parameters.find((parameter) => parameter.name === "level");
    Object.assign(level, { min: about.min, max: about.max });
    fields.level.querySelector(".hint").textContent = about.text;
  };
  way.value = likelyWay(file);
  form.addEventListener("input", follow);
  follow();
  return form;
}

function readForm(form, file) {
  const value = (name) => (form.elements[name].closest(".field").hidden ? "" : form.elements[name].value.trim());
  const stages = value("way"), query = new URLSearchParams(), headers = {};
  if (value("level")) query.set("level", value("level"));
  for (const recipient of value("recipient").split(/[\s,]+/).filter(Boolean)) query.append("recipient", recipient);
  if (value("passphrase")) headers["Age-Passphrase"] = asField(form.elements.passphrase.value);
  if (value("identity")) headers["Age-Identity"] = asField(value("identity"));
  const rest = query.toString();
  return { stages, headers, name: nameOf(file, stages), address: `/files/${file.id}?through=${stages}${rest && "&"}${rest}` };
}

// ---- the part ----

/** Build it into this element; returns what stops it. */
export function startThrough(place, file) {
  const over = new AbortController();
  const run = element("button", { type: "submit" }, "Make and save"), transfer = transferOf(run, over.signal);
  const link = element("a", {}, "The same as a link");
  const box = element("div", { class: "through card" }, element("h4", {}, "Compress and encrypt"));

  const share = (count) => (file.size > 0 ? ` (${percent(count / file.size)})` : "");
  const start = (form) => {
    const wanted = readForm(form, file);
    transfer.start({
      ...wanted,
      words: (count, took) => `${bytes(count)} out, ${rate(count / took)} out`,
      done: (count, took) => `${wanted.name}: ${bytes(file.size)} in, ${bytes(count)} out${share(count)}, ${seconds(took)}, ${rate(file.size / took)} in, ${rate(count / took)} out.`,
    });
  };

  async function load() {
    const { stages } = await (await api("/pipe", { signal: over.signal })).json();
    const form = formOf(file, stages);
    const follow = () => {
      const { address, name, headers } = readForm(form, file), isFit = !form.elements.recipient.validity.customError;
      Object.assign(link, { href: isFit ? address : "", download: name, hidden: !isFit || key() !== "" || Object.keys(headers).length > 0 });
    };
    form.onsubmit = (event) => (event.preventDefault(), start(form));
    form.addEventListener("input", follow);
    follow();
    form.append(element("p", { class: "row" }, run, transfer.cancel, link));
    transfer.problem.before(form);
  }

  box.append(transfer.problem, transfer.bar, element("p", {}, transfer.live), element("p", {}, transfer.status));
  place.append(box);
  load().catch((error) => over.signal.aborted || showProblem(transfer.problem, error));
  return () => over.abort();
}
