// The part "Operator": whether the server takes new work, and what it is short of. It lives from /events, once a second.

import { api, events, sentence } from "./api.js";
import { bytes, element, percent, seconds, three } from "./format.js";

const LANES = { interactive: "a person waits", bulk: "pieces of streams", heavy: "a second or more each" };
const HIGH = 0.9; // as the server's own threshold (docs/metrics.md)

const nodes = {};
const SILENCE = 4; // seconds

let stopEvents = null;
let silence = null; // timer
let lastAt = 0; // of an event, or of when they were asked for
let announced = null;

// ---- what it is built of ----

const field = (name, tag, props) => (nodes[name] = element(tag, props));

/** Only what changed is written, so that nothing that is selected or read aloud is disturbed. */
function put(name, text) {
  if (nodes[name].textContent !== text) nodes[name].textContent = text;
}

const card = (title, ...children) => element("div", { class: "card" }, element("h3", {}, title), children);

const count = (number, one, many) => `${number} ${number === 1 ? one : many}`;

function meter(name, label) {
  const id = `operator-${name}`;
  const bar = field(`${name}-bar`, "meter", { id, min: 0, max: 1, high: HIGH });
  return element("div", { class: "metered" }, element("label", { for: id }, label), bar, field(name, "p", { class: "faint" }));
}

function putMeter(name, used, of, show = String) {
  const share = of > 0 ? used / of : 0;
  nodes[`${name}-bar`].value = Math.min(share, 1);
  put(name, of > 0 ? `${show(used)} of ${show(of)}${share >= 1 ? ": all of it" : share > HIGH ? ": nearly all of it" : ""}` : `${show(used)}, without a limit`);
}

function table(caption, heads, body) {
  const head = heads.map(([text, kind]) => element("th", { scope: "col", class: kind }, text));
  return element("div", { class: "scroll", role: "region", "aria-label": caption, tabindex: 0 }, element("table", {}, element("caption", { class: "hide" }, caption), element("thead", {}, element("tr", {}, head)), body));
}

function queueTable() {
  const row = ([lane, about]) =>
    element("tr", {}, element("th", { scope: "row" }, lane, element("span", { class: "about" }, about)),
      ["waiting", "work", "oldest"].map((column) => field(`${lane}-${column}`, "td", { class: "number" })));
  return table("Queue by lane", [["Lane"], ["Waiting", "number"], ["Work", "number"], ["Oldest", "number"]],
    element("tbody", {}, Object.entries(LANES).map(row)));
}

const facts = (rows) => element("dl", {}, rows.map(([name, label]) => element("div", {}, element("dt", {}, label), field(name, "dd"))));

function build() {
  const refusals = table("Refusals by reason", [["Reason"], ["Now", "number"], ["In all", "number"]], field("refusals", "tbody"));
  nodes["refusals-table"] = refusals;
  return [
    card("Queue", queueTable(), meter("workers", "Workers busy")),
    card("Budgets", meter("memory", "Memory of bodies and jobs"), meter("disk", "Temporary files"), meter("connections", "Connections"), field("room", "p", { class: "faint about" })),
    card("Refusals by reason", field("no-refusals", "p"), refusals),
    card("What takes long", facts([["job", "Oldest running job"], ["upload", "Oldest upload"], ["busy", "Loop busy"], ["blocked", "Blocked the loop last"]])),
    card("Server", facts([["processes", "Processes"], ["restarts", "Restarts of processes"], ["uptime", "Running for"]]),
      element("details", {}, element("summary", {}, "Versions"), field("versions", "dl"))),
  ];
}

// ---- what it says ----

function putQueue(gauges) {
  for (const lane of Object.keys(LANES)) {
    const waiting = gauges.millrace_queue_depth[lane];
    put(`${lane}-waiting`, `${waiting}`);
    put(`${lane}-work`, seconds(gauges.millrace_queue_work_seconds[lane]));
    put(`${lane}-oldest`, waiting > 0 ? seconds(gauges.millrace_queue_oldest_seconds[lane]) : "–");
  }
  putMeter("workers", gauges.millrace_workers_busy, gauges.millrace_workers);
}

function putBudgets(gauges) {
  putMeter("memory", gauges.millrace_memory_budget_used_bytes, gauges.millrace_memory_budget_bytes, bytes);
  putMeter("disk", gauges.millrace_disk_budget_used_bytes, gauges.millrace_disk_budget_bytes, bytes);
  putMeter("connections", gauges.millrace_connections, gauges.millrace_connections_max);
  const free = gauges.millrace_store_free_bytes;
  put("room", free === undefined ? "The server keeps no files." :
    `Disk of files: ${bytes(free)} free when last asked, ${bytes(gauges.millrace_store_min_free_bytes)} of it to stay free, ${bytes(gauges.millrace_store_reserved_bytes)} reserved by uploads.`);
}

/** One row for each reason that has occurred; it stays. */
function putRefusals(refusals) {
  let any = false;
  for (const [reason, { total, rate }] of Object.entries(refusals)) {
    if (total === 0) continue;
    any = true;
    if (nodes[`refused-${reason}`] === undefined) {
      const cells = [field(`refused-${reason}-now`, "td", { class: "number" }), field(`refused-${reason}`, "td", { class: "number" })];
      nodes.refusals.append(element("tr", {}, element("th", { scope: "row" }, reason), cells));
    }
    put(`refused-${reason}-now`, `${three(rate)} a second`);
    put(`refused-${reason}`, `${total}`);
  }
  put("no-refusals", "None since the start.");
  nodes["no-refusals"].hidden = any;
  nodes["refusals-table"].hidden = !any;
}

function blockedText(blocked, now) {
  if (blocked === null) return "Nothing has.";
  const request = blocked.request === null ? "" : `, for the request ${blocked.request}`;
  return `${blocked.label}, for ${seconds(blocked.seconds)}, ${seconds(Math.max(0, Math.round(now - blocked.time)))} ago${request}`;
}

function putTimes({ gauges, blocked_last: blocked, time, loop_busy_share: busy }) {
  const uploads = gauges.millrace_store_uploads_open ?? 0;
  put("job", gauges.millrace_job_oldest_seconds > 0 ? seconds(gauges.millrace_job_oldest_seconds) : "None runs.");
  put("upload", uploads > 0 ? `${seconds(gauges.millrace_store_upload_oldest_seconds)}, ${count(uploads, "upload", "uploads")} under way` : "None is under way.");
  put("busy", `${percent(Math.min(busy, 1))} of the last second`);
  put("blocked", blockedText(blocked, time));
}

function putServer({ gauges, counters, time }) {
  put("processes", `${count(gauges.millrace_processes, "process", "processes")}, ${count(gauges.millrace_loops, "loop", "loops")}, ${count(gauges.millrace_workers, "worker", "workers")}`);
  put("restarts", `${counters.millrace_process_restarts_total.total}`);
  put("uptime", seconds(Math.max(0, Math.floor(time - gauges.process_start_time_seconds))));
}

function say(text, kind) {
  put("verdict", text);
  nodes.verdict.dataset.kind = kind;
}

/** Read aloud when the reason changes, and not with each figure. */
function announce(reason, text) {
  if (announced !== null && announced !== reason) put("said", text);
  announced = reason;
}

function putVerdict({ saturated, gauges }) {
  const waiting = Object.values(gauges.millrace_queue_depth).reduce((sum, jobs) => sum + jobs, 0);
  if (saturated === null) say(`Takes new work. ${waiting === 0 ? "No job waits" : count(waiting, "job waits", "jobs wait")}, ${gauges.millrace_workers_busy} of ${count(gauges.millrace_workers, "worker is", "workers are")} busy.`, "good");
  else say(saturated.text, "warn");
  announce(saturated?.reason ?? "", saturated?.text ?? "Takes new work.");
}

/** A server that stands still, or is out of reach, sends nothing and breaks nothing. */
function watchSilence() {
  const now = performance.now(), since = Math.round((now - lastAt) / 1000);
  if (document.hidden) lastAt = now; // it has no stream
  if (document.hidden || since < SILENCE) return;
  nodes.figures.hidden = true;
  say(`No figures for ${since} s: the server stands still, or is out of reach.`, "bad");
  announce("silence", nodes.verdict.textContent);
}

function onEvent(figures) {
  lastAt = performance.now();
  nodes.figures.hidden = false;
  putVerdict(figures);
  putQueue(figures.gauges);
  putBudgets(figures.gauges);
  putRefusals(figures.counters.millrace_refusals_total);
  putTimes(figures);
  putServer(figures);
}

function onError(error) {
  lastAt = performance.now();
  if (error.status < 500) clearInterval(silence); // it is refused
  nodes.figures.hidden = true; // they are old
  say(`No figures: ${sentence(error)}`, "bad");
  announce("error", nodes.verdict.textContent);
}

async function putVersions() {
  try {
    const version = await (await api("/version")).json();
    const names = Object.keys(version).filter((name) => typeof version[name] === "string" && name !== "name");
    nodes.versions.replaceChildren(...names.map((name) => element("div", {}, element("dt", {}, name === "version" ? version.name : name), element("dd", {}, version[name]))));
  } catch {
    nodes.versions.replaceChildren("Not known.");
  }
}

export function start(section) {
  if (nodes.figures === undefined) {
    field("verdict", "p", { class: "verdict" });
    field("said", "p", { class: "hide", role: "status" });
    field("figures", "div", { class: "cards", hidden: true });
    nodes.figures.append(...build());
    section.append(nodes.verdict, nodes.said, nodes.figures);
  }
  say("Waiting for the first figures…", "");
  putVersions();
  lastAt = performance.now();
  silence = setInterval(watchSilence, 1000);
  stopEvents = events({ interval: 1, onEvent, onError });
}

export function stop() {
  clearInterval(silence);
  stopEvents?.();
  stopEvents = null;
}
