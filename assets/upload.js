// Uploads: a queue of files, three of which are sent at a time, each with progress, speed, cancel and retry.
// XMLHttpRequest, because fetch() does not tell how much of a body has been sent.
import { authorization, Problem } from "./api.js";
import { bytes, element, rate, seconds } from "./format.js";
import { showProblem } from "./problem.js";

const AT_ONCE = 3;
const SPEED_MS = 2000; // the speed shown is that of the last two seconds
const LOOK_MS = 1000; // an upload of which nothing is heard is looked at
const STILL_MS = 3000; // and after this time it is said that it stands still
const MUCH = 1 << 20; // bytes whose speed says something
const STEP = 0.25; // progress is announced in quarters
const LOOKS_LIKE_ID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/; // PUT /files/NAME takes such a name for the id of a file

const uploads = []; // all rows, oldest first
let list, status, clear, onKept; // the page's elements; what is told of each file that was kept
let announced = "";

const isUnder = (upload, ...states) => states.includes(upload.state);

// ---- what is shown ----

function announce() {
  const count = (...states) => uploads.filter((each) => isUnder(each, ...states)).length;
  const active = uploads.filter((each) => isUnder(each, "waiting", "sending", "storing"));
  const size = active.reduce((sum, each) => sum + each.file.size, 0);
  const sent = active.reduce((sum, each) => sum + each.sent, 0);
  const parts = [`${count("kept")} of ${uploads.length} kept`];
  if (count("failed")) parts.push(`${count("failed")} failed`);
  if (count("cancelled")) parts.push(`${count("cancelled")} cancelled`);
  if (active.length > 0 && size > 0) parts.push(`${Math.floor(sent / size / STEP) * STEP * 100} % of the rest sent`);
  const text = uploads.length > 0 ? `${parts.join(", ")}.` : "";
  if (text !== announced) status.textContent = announced = text;
  clear.hidden = !uploads.some((each) => isUnder(each, "kept", "cancelled"));
}

function speedOf(upload) {
  const now = performance.now();
  upload.marks.push([now, upload.sent]);
  while (upload.marks.length > 2 && now - upload.marks[0][0] > SPEED_MS) upload.marks.shift();
  const [[then, before]] = upload.marks;
  return now > then ? ((upload.sent - before) / (now - then)) * 1000 : 0;
}

function describe(upload) {
  const { file, state, sent } = upload;
  if (state === "waiting") return `${bytes(file.size)}, waiting`;
  if (state === "storing") return `${bytes(file.size)} sent, the server writes it to its disk`;
  if (state === "cancelled") return `${bytes(file.size)}, cancelled`;
  if (state === "failed") return `${bytes(file.size)}, failed`;
  if (state === "kept") return `${bytes(file.size)} kept${file.size < MUCH ? "" : `, ${rate(file.size / upload.took)}`}`;
  const speed = speedOf(upload), still = performance.now() - upload.moved;
  if (still >= STILL_MS) return `${bytes(sent)} of ${bytes(file.size)}, no progress for ${seconds(Math.floor(still / 1000))}`;
  const left = speed > 0 ? `, ${rate(speed)}, ${seconds((file.size - sent) / speed)} left` : "";
  return `${bytes(sent)} of ${bytes(file.size)}${left}`;
}

// A button that goes leaves the focus to the one that comes in its place.
function showButtons(upload) {
  const isActive = isUnder(upload, "waiting", "sending", "storing"), focused = document.activeElement;
  upload.cancel.hidden = !isActive;
  upload.retry.hidden = !isUnder(upload, "failed", "cancelled");
  upload.remove.hidden = isActive;
  const buttons = [upload.cancel, upload.retry, upload.remove];
  if (buttons.includes(focused) && focused.hidden) buttons.find((button) => !button.hidden).focus();
}

function show(upload) {
  const { row, state } = upload;
  row.dataset.state = state;
  upload.text.textContent = describe(upload);
  upload.bar.value = state === "kept" ? upload.bar.max : upload.sent;
  showButtons(upload);
  if (state !== "failed") upload.problem.replaceChildren();
  announce();
}

// ---- one upload ----

function warnOfLeaving(event) {
  event.preventDefault();
}

function change(upload, state) {
  upload.state = state;
  if (state !== "sending") clearInterval(upload.looking);
  show(upload);
  const isActive = uploads.some((each) => isUnder(each, "waiting", "sending", "storing"));
  if (isActive) addEventListener("beforeunload", warnOfLeaving);
  else removeEventListener("beforeunload", warnOfLeaving);
  startNext();
}

function fail(upload, error) {
  change(upload, "failed");
  showProblem(upload.problem, error);
}

function documentOf(request) {
  try {
    return JSON.parse(request.responseText) ?? {};
  } catch {
    return {}; // from a proxy
  }
}

function finish(upload, request) {
  const answer = documentOf(request);
  if (request.status !== 201) {
    const problem = new Problem(request.status, answer);
    fail(upload, problem);
    if (problem.status === 401) dispatchEvent(new CustomEvent("millrace-unauthorized", { detail: problem }));
    return;
  }
  upload.took = Math.max(performance.now() - upload.began, 1) / 1000;
  change(upload, "kept");
  const file = answer.files?.[0] ?? answer;
  if (file.id) onKept(file);
}

// Half of a pair of UTF-16, which names on a disk may have, has no place in an address.
const wellFormed = (text) => text.replace(/\p{Surrogate}/gu, "\ufffd");

function open(upload, request) {
  const { file } = upload;
  const isNamed = !LOOKS_LIKE_ID.test(file.name);
  request.open(isNamed ? "PUT" : "POST", isNamed ? `/files/${encodeURIComponent(wellFormed(file.name))}` : "/files");
  for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value);
  if (isNamed) return file;
  const form = new FormData();
  form.append("file", file, file.name);
  return form;
}

// Pausing and resuming come with resumable uploads: their buttons stand beside Cancel, and a resumed upload begins at
// what the server has.
function send(upload) {
  const request = (upload.request = new XMLHttpRequest());
  upload.sent = 0;
  upload.marks = [];
  upload.began = upload.moved = performance.now();
  request.upload.onprogress = (event) => {
    upload.moved = performance.now();
    upload.sent = Math.min(event.loaded, upload.file.size);
    show(upload);
  };
  request.upload.onload = () => {
    upload.sent = upload.file.size;
    change(upload, "storing");
  };
  request.onload = () => finish(upload, request);
  request.onerror = () => fail(upload, new Error("The connection was lost, or the file has changed since it was chosen."));
  let body;
  try {
    body = open(upload, request);
  } catch (error) { // a key with signs that no field may have
    fail(upload, error);
    return;
  }
  upload.looking = setInterval(() => show(upload), LOOK_MS);
  change(upload, "sending");
  request.send(body);
}

function startNext() {
  const isSending = uploads.filter((each) => isUnder(each, "sending", "storing")).length;
  const next = uploads.find((each) => isUnder(each, "waiting"));
  if (next && isSending < AT_ONCE) send(next);
}

function cancel(upload) {
  upload.request?.abort();
  change(upload, "cancelled");
}

function remove(upload) {
  uploads.splice(uploads.indexOf(upload), 1);
  upload.row.remove();
  announce();
}

function add(file) {
  const upload = { file, state: "waiting", sent: 0, marks: [] };
  const button = (text, act) =>
    element("button", { type: "button", class: "quiet", "aria-label": `${text} ${file.name}`, onclick: act }, text);
  upload.text = element("span", { class: "upload-text" });
  upload.bar = element("progress", { max: Math.max(file.size, 1), value: 0, "aria-label": `Upload of ${file.name}` });
  upload.problem = element("div", { class: "upload-problem" });
  upload.cancel = button("Cancel", () => cancel(upload));
  upload.retry = button("Retry", () => change(upload, "waiting"));
  upload.remove = button("Dismiss", () => {
    remove(upload);
    (uploads.at(-1)?.row.querySelector("button:not([hidden])") ?? document.getElementById("files-chosen")).focus();
  });
  upload.row = element("li", { class: "upload" },
    element("span", { class: "file-name" }, file.name), upload.text, upload.bar,
    element("span", { class: "row" }, upload.cancel, upload.retry, upload.remove), upload.problem);
  uploads.push(upload);
  list.append(upload.row);
  show(upload);
  return upload;
}

// ---- where files come from ----

function addAll(files) {
  for (const file of files) add(file);
  startNext();
}

// A dropped folder looks like a file that cannot be read.
function takeDrop(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const folders = items.filter((item) => item.webkitGetAsEntry?.()?.isDirectory).map((item) => item.getAsFile()?.name).filter(Boolean);
  addAll([...transfer.files].filter((file) => !folders.includes(file.name)));
  if (folders.length > 0) status.textContent = announced = `${folders.join(", ")}: choose the files of a folder, not the folder.`;
}

function watchDrops(section, zone, begin) {
  const isFiles = (event) => event.dataTransfer?.types.includes("Files") && !section.hidden;
  addEventListener("dragover", (event) => {
    if (!isFiles(event)) return;
    event.preventDefault(); // else a file that is dropped beside the zone replaces the page
    zone.classList.add("is-over");
  });
  addEventListener("dragleave", (event) => event.relatedTarget === null && zone.classList.remove("is-over"));
  addEventListener("drop", (event) => {
    if (!isFiles(event)) return;
    event.preventDefault();
    zone.classList.remove("is-over");
    begin();
    takeDrop(event.dataTransfer);
  });
}

/** Make the plain form of the section a queue. dropped() is called before files are taken, kept(file) with the JSON of each that was kept. */
export function startUploads(section, dropped, kept) {
  const form = section.querySelector("#files-form"), input = form.querySelector("input");
  onKept = kept;
  list = section.querySelector("#files-uploads");
  status = section.querySelector("#files-upload-status");
  clear = section.querySelector("#files-clear");
  form.querySelector("button").hidden = true;
  form.classList.add("is-scripted");
  form.onsubmit = (event) => event.preventDefault();
  input.required = false;
  input.onchange = () => {
    addAll(input.files);
    input.value = ""; // so that the same file can be chosen again
  };
  clear.onclick = () => {
    for (const upload of uploads.filter((each) => isUnder(each, "kept", "cancelled"))) remove(upload);
    input.focus();
  };
  watchDrops(section, form, dropped);
}
