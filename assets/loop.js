// The part Loop: where the jobs of a test load run, what the loop says of itself meanwhile, and what this browser felt.
import { api, sentence } from "./api.js";
import { element } from "./format.js";
import { compare, measure } from "./runs.js";
import { Watch, clock } from "./watch.js";

const { duration, count } = MillraceCharts;
const kept = "millrace-runs", keptMax = 20;
const onReturn = 60; // seconds after which the server goes back to workers by itself

let part = null; // what lives while the tab is shown
let run = null; // what is being measured: one load under one offload

// ---- the table that stays ----

function readRows() {
  try {
    return JSON.parse(sessionStorage.getItem(kept)) ?? [];
  } catch {
    return [];
  }
}

function showRows(rows) {
  const cells = (row) => [row.load, duration(row.felt.p50), duration(row.felt.p99), duration(row.felt.max), duration(row.loop.p99),
    duration(row.loop.max), count(row.done), count(row.refused)];
  part.find("#runs-rows").replaceChildren(...rows.map((row) => element("tr", {}, element("th", { scope: "row" }, row.offload),
    ...cells(row).map((text) => element("td", { class: "number" }, text)))));
  part.find("#runs").hidden = rows.length === 0;
  part.find("#runs-words").replaceChildren(...compare(rows).map((text) => element("p", {}, text)));
}

function keepRows(rows) {
  sessionStorage.setItem(kept, JSON.stringify(rows.slice(-keptMax)));
  showRows(rows.slice(-keptMax));
}

// ---- runs ----

const isRunning = (load) => load !== null && (load.left > 0 || load.in_flight > 0);
const isSame = (a, b) => a.kind === b.kind && a.rate === b.rate && a.seconds === b.seconds && a.submitted <= b.submitted;

function endRun() {
  const felt = [...run.felt, ...part.watch.unanswered(clock()).map((point) => point.value)];
  const row = measure({ ...run, felt, stalls: part.watch.stalls(run.began) });
  run = null;
  if (row) keepRows([...readRows(), row]);
}

// When the load or the offload changes, a row ends and the next one begins.
function follow({ load, offload }) {
  const goesOn = run !== null && load !== null && isSame(run.last, load);
  if (goesOn) run.last = load;
  if (run && !isRunning(load) && !part.isComparing) say("The load is over.");
  if (run && !(goesOn && isRunning(load) && run.offload === offload)) endRun();
  if (!run && isRunning(load)) run = { offload, first: load, last: load, began: clock(), felt: [], lags: [] };
}

// ---- the lab ----

function say(text) {
  const status = part.find("#loop-status");
  if (status.textContent !== text) status.textContent = text;
}

function showLab({ load, offload, offload_left: left }) {
  const busy = isRunning(load), { find } = part;
  if (!part.isAsking) {
    if (chosen() !== offload) say(`The jobs of the load run by ${offload} now.`);
    find("#lab-offload").elements.offload.value = offload;
  }
  find("#offload-left").textContent = left === null ? "" : `Back to workers by itself in ${Math.ceil(left)} s.`;
  find("#load-stop").disabled = !busy;
  find("#load-progress").hidden = !busy;
  if (busy) {
    find("#load-progress progress").value = 1 - load.left / load.seconds;
    find("#load-figures").textContent = `${count(load.submitted)} jobs submitted, ${count(load.done)} done, ${count(load.refused)} refused, `
      + `${count(load.in_flight)} in flight; ${Math.ceil(load.left)} s left`;
  }
  if (load?.run_mean > 0)
    find("#load-hint").textContent = `One ${load.kind} job computes for ${duration(load.run_mean)}, so one thread does ${count(1 / load.run_mean)} a second.`;
}

// One request at a time, so that the newest answer is the last one.
function ask(method, path) {
  const self = part, answer = self.turn.then(async () => {
    const lab = await (await api(path, { method, signal: self.living.signal })).json();
    if (part !== self) return;
    part.find("#lab-off").hidden = true;
    part.find("#lab").hidden = false;
    follow(lab);
    showLab(lab);
  });
  self.turn = answer.catch(() => {});
  return answer;
}

const refusals = {
  404: "Here you can choose where jobs run, if the server is started with --lab (script/server does so).",
  401: "To choose where jobs run, enter a key that has the right admin.",
  403: "To choose where jobs run, use a key that has the right admin, or a browser on the server's own machine.",
};

// The charts stay. Returns whether it makes sense to ask again.
function explain(problem) {
  const off = part.find("#lab-off"), text = refusals[problem.status] ?? sentence(problem);
  if (off.textContent !== text) off.textContent = text;
  off.hidden = false;
  if (problem.status in refusals) part.find("#lab").hidden = true;
  return !(problem.status in refusals);
}

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

async function poll(self) {
  for (; part === self; await pause(run ? 0.5 : 2)) {
    if (document.hidden) continue;
    try {
      await ask("GET", "/lab");
    } catch (problem) {
      if (part !== self) return;
      if (explain(problem)) continue;
      run = null;
      return;
    }
  }
}

// What a person asked for: why it did not work stands in the status. Returns whether it did.
async function attempt(words, action) {
  const self = part;
  part.isAsking = true;
  try {
    await action();
    if (part === self) say(words);
    return part === self;
  } catch (problem) {
    if (part === self) say(sentence(problem));
    return false;
  } finally {
    self.isAsking = false;
  }
}

const choose = (offload) => attempt(`The jobs of the load now run by ${offload}.`, () => ask("PUT", `/lab/offload?kind=${offload}&seconds=${onReturn}`));
const chosen = () => part.find("#lab-offload").elements.offload.value;

async function startLoad(offload) {
  const { kind, rate, seconds } = part.find("#lab-load").elements;
  return (await choose(offload)) && attempt(`The load has started: ${rate.value} ${kind.value} jobs a second for ${seconds.value} s, by ${offload}.`,
    () => ask("PUT", `/lab/load?${new URLSearchParams({ kind: kind.value, rate: rate.value, seconds: seconds.value })}`));
}

// The same load twice, one after the other.
async function compareBoth() {
  const self = part, buttons = ["#load-start", "#load-compare"].map(self.find);
  if (self.isComparing || !self.find("#lab-load").reportValidity()) return;
  self.isComparing = true;
  for (const button of buttons) button.disabled = true;
  try {
    if ((await runEach(self, ["workers", "inline"])) && (await choose("workers"))) say("Both runs are over; the table has them.");
  } finally {
    self.isComparing = false;
    for (const button of buttons) button.disabled = false;
  }
}

// Returns whether they ran to their ends.
async function runEach(self, offloads) {
  const isOn = () => part === self && self.isComparing;
  for (const offload of offloads) {
    if (!isOn() || !(await startLoad(offload))) return false;
    while (isOn() && run) await pause(0.1);
    await pause(1); // all begin at rest
  }
  return isOn();
}

async function stopLoad() {
  part.isComparing = false;
  await attempt("The load was stopped.", () => ask("DELETE", "/lab/load"));
}

// ---- the part ----

export function start(section) {
  const living = new AbortController(), on = (id, type, listener) =>
    section.querySelector(id).addEventListener(type, (event) => (event.preventDefault(), listener(event)), { signal: living.signal });
  part = { living, find: (selector) => section.querySelector(selector), turn: Promise.resolve() };
  section.querySelector("#strips").replaceChildren();
  part.watch = new Watch(section.querySelector("#strips"), {
    onFelt: (samples) => run?.felt.push(...samples.filter(([time]) => time >= run.began).map(([, seconds]) => seconds)),
    onError: (error) => {
      part.find("#stream-off").hidden = false;
      part.find("#stream-off").textContent = `What the loop says is not known: ${sentence(error)}`;
    },
    onEvent: ({ interval, histograms: { millrace_loop_lag_seconds: lag } }) => {
      part.find("#stream-off").hidden = true;
      if (run && lag.count > 0) run.lags.push({ seconds: interval, p99: lag.p99, max: lag.max });
    },
    onRest() {
      run = null;
      part.isComparing = false;
    },
  });
  on("#lab-offload", "change", () => choose(chosen()));
  on("#lab-load", "submit", () => startLoad(chosen()));
  on("#load-stop", "click", stopLoad);
  on("#load-compare", "click", compareBoth);
  on("#strips-pause", "click", ({ currentTarget: button }) => {
    part.watch.isHeld = !part.watch.isHeld;
    button.setAttribute("aria-pressed", part.watch.isHeld);
  });
  section.querySelector("#strips-pause").setAttribute("aria-pressed", false);
  on("#runs-clear", "click", () => keepRows([]));
  showRows(readRows());
  part.watch.start();
  poll(part);
}

export function stop() {
  part?.living.abort();
  part?.watch.stop();
  part = null;
}
