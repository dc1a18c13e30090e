// The part "Files": the list of what is kept, a page at a time; uploads; one file looked at; deleting.
import { api } from "./api.js";
import { bytes, element } from "./format.js";
import { showProblem } from "./problem.js";
import { startUploads } from "./upload.js";
import { releaseImages, showImage } from "./image.js";

const PAGE = 50;

const dateOf = (file) => new Date(file.created).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });

let section, list, more, again, problem, empty, details;
let next = null; // the address of the next page
let reading; // aborts the reading of the list
let opened = null; // { file, row, stops, problem } that is looked at
let seen; // tells which thumbnails have come into view

// ---- a row ----

function thumbnail(file) {
  const place = element("span", { class: "thumbnail", "aria-hidden": "true" });
  place.textContent = file.image ? "" : (file.name.match(/\.(\w{1,5})$/)?.[1] ?? "file");
  if (file.image) {
    place.file = file;
    seen.observe(place);
  }
  return place;
}

async function fillThumbnail(place) {
  const image = element("img", { alt: "", width: 56, height: 56 });
  try {
    await showImage(image, place.file, "w=112&h=112&fit=crop&crop=attention&auto=format", reading.signal);
    place.replaceChildren(image);
    if (!place.isConnected) releaseImages(place); // deleted meanwhile
  } catch {
    place.textContent = "image"; // what is wrong with it is shown when it is looked at
  }
}

function rowOf(file) {
  const look = element("button", { type: "button", class: "file-name link" }, file.name || file.id);
  const remove = element("button", { type: "button", class: "quiet", "aria-label": `Delete ${file.name || file.id}` }, "Delete");
  const time = element("time", { datetime: file.created }, dateOf(file));
  const row = element("li", { class: "file" }, thumbnail(file), look,
    element("span", { class: "facts" }, `${file.type.split(";")[0]}, ${bytes(file.size)}, `, time), remove);
  row.dataset.id = file.id;
  look.onclick = () => open(file, row);
  remove.onclick = () => ask(file, row);
  return row;
}

function discard(row) {
  releaseImages(row);
  row.remove();
}

function add(file, isFirst) {
  const before = list.querySelector(`[data-id="${file.id}"]`);
  if (before) discard(before); // an upload that a page of the list has too
  list[isFirst ? "prepend" : "append"](rowOf(file));
  empty.hidden = true;
}

// ---- the list ----

async function read(address, signal) {
  more.ariaDisabled = "true"; // and not disabled, which would take the focus away
  try {
    const page = await (await api(address, { signal })).json();
    problem.replaceChildren();
    for (const file of page.files) add(file, false);
    next = page.next;
  } catch (error) {
    if (signal.aborted) return;
    showProblem(problem, error);
  }
  more.ariaDisabled = "false";
  more.hidden = next === null;
  empty.hidden = list.childElementCount > 0 || problem.childElementCount > 0;
}

async function readAgain() {
  reading?.abort();
  reading = new AbortController();
  seen.disconnect();
  releaseImages(list);
  list.replaceChildren();
  next = null;
  await read(`/files?limit=${PAGE}`, reading.signal);
}

async function readMore() {
  if (more.ariaDisabled === "true") return;
  const last = list.lastElementChild;
  await read(next ?? `/files?limit=${PAGE}`, reading.signal);
  if (more.hidden) (last?.nextElementSibling ?? list.firstElementChild)?.querySelector("button").focus();
}

// ---- deleting ----

async function remove(file, row) {
  try {
    await api(`/files/${file.id}`, { method: "DELETE" });
  } catch (error) {
    if (error.status !== 404) {
      const place = opened?.problem ?? problem; // where it is seen
      showProblem(place, error);
      place.scrollIntoView({ block: "nearest" });
      return;
    }
  }
  if (opened?.file === file) close();
  const neighbour = row.nextElementSibling ?? row.previousElementSibling;
  discard(row);
  empty.hidden = list.childElementCount > 0;
  section.querySelector("#files-status").textContent = `${file.name || file.id} was deleted.`;
  (neighbour?.querySelector("button") ?? section.querySelector("#files-chosen")).focus();
}

function ask(file, row) {
  const dialog = document.getElementById("files-delete");
  dialog.querySelector("p").textContent = `${file.name || file.id}, ${bytes(file.size)}. This cannot be undone.`;
  dialog.returnValue = "";
  dialog.onclose = () => dialog.returnValue === "delete" && remove(file, row);
  dialog.showModal();
}

// ---- looking at one ----

function facts(file) {
  const rows = [["Type", file.type], ["Size", `${bytes(file.size)} (${file.size} bytes)`], ["Kept", dateOf(file)],
    ["ID", file.id], ["SHA-256", file.digest?.["sha-256"]]];
  return element("dl", {}, ...rows.filter(([, value]) => value).flatMap(([name, value]) => [
    element("dt", {}, name), element("dd", {}, value)]));
}

async function open(file, row) {
  close();
  const title = element("h3", { tabindex: -1, class: "file-name" }, file.name || file.id);
  const back = element("button", { type: "button", class: "quiet", onclick: () => close(true) }, "Back to all files");
  const links = element("p", { class: "row" });
  const parts = element("div");
  const trouble = element("div", { role: "alert" }), removal = element("button", { type: "button", class: "quiet", onclick: () => ask(file, row) }, "Delete");
  const current = (opened = { file, row, stops: [], problem: trouble });
  links.append(back, removal);
  details.replaceChildren(links, trouble, title, facts(file), parts);
  section.querySelector("#files-all").hidden = true;
  details.hidden = false;
  title.focus();
  const modules = await Promise.all([import("./through.js"), file.image ? import("./picture.js") : null]).catch(() => null);
  if (opened !== current) return;
  if (modules === null) {
    showProblem(trouble, new Error("What can be done with this file was not loaded. Load the page again."));
    return;
  }
  const [{ startThrough, startDownload }, picture] = modules;
  const whole = element("span", { class: "row" });
  removal.before(whole);
  current.stops.push(startDownload(whole, file));
  if (picture) current.stops.push(picture.startPicture(parts, file));
  current.stops.push(startThrough(parts, file));
}

function close(isByUser = false) {
  if (opened === null) return;
  const { row, stops } = opened;
  opened = null;
  for (const stop of stops) stop();
  releaseImages(details);
  details.replaceChildren();
  details.hidden = true;
  section.querySelector("#files-all").hidden = false;
  if (isByUser) row.querySelector("button").focus();
}

// What is dropped is seen in the list of uploads.
function showAll() {
  if (opened === null) return;
  close();
  section.querySelector("#files-chosen").focus();
}

// ---- the part ----

function startOnce() {
  list = section.querySelector("#files-list");
  more = section.querySelector("#files-more");
  again = section.querySelector("#files-again");
  again.hidden = false;
  problem = section.querySelector("#files-problem");
  empty = section.querySelector("#files-empty");
  details = section.querySelector("#files-details");
  more.onclick = readMore;
  again.onclick = readAgain;
  seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      seen.unobserve(target);
      fillThumbnail(target);
    }
  });
  startUploads(section, showAll, (file) => add(file, true));
}

export function start(place) {
  const isFirst = section === undefined;
  section = place;
  if (isFirst) startOnce();
  readAgain();
}

/** The tab is left: uploads go on. */
export function stop() {
  close();
  reading?.abort();
}
