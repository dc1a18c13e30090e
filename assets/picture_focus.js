// The focal point: what stays in the middle when a picture is cut (crop=focalpoint). It is set with a click or with the
// arrow keys, and stored with the file.
import { api } from "./api.js";
import { element, percent } from "./format.js";
import { showProblem } from "./problem.js";
import { showImage } from "./image.js";

const SAVE_MS = 500; // after the last arrow key
const STEP = 0.01, LARGE_STEP = 0.1; // of the picture, an arrow key, with Shift
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const CUTS = [["square", "w=160&h=160"], ["wide", "w=240&h=100"], ["tall", "w=100&h=160"]];

const inside = (x) => Math.round(Math.min(Math.max(x, 0), 1) * 1000) / 1000;

/** { element }; saved() is called when the stored point is another one. */
export function startFocus(file, signal, saved) {
  const image = element("img", { alt: "", draggable: "false" });
  const marker = element("button", { type: "button", class: "focus-marker" });
  const frame = element("div", { class: "focus-frame" }, image, marker);
  const status = element("p", { role: "status", class: "faint small" }), problem = element("div", { role: "alert" });
  const clear = element("button", { type: "button", class: "quiet" }, "Remove the focal point");
  const cuts = CUTS.map(([name, query]) => ({ query, image: element("img", { alt: `cut ${name} around the focal point` }) }));
  let point = file.focal, timer = 0, saving = Promise.resolve(), cutting = null;

  function show() {
    const { x, y } = point ?? { x: 0.5, y: 0.5 };
    marker.style.left = `${x * 100}%`;
    marker.style.top = `${y * 100}%`;
    marker.classList.toggle("is-set", point !== null);
    marker.ariaLabel = `Focal point: ${percent(x)} from the left, ${percent(y)} from the top. Arrow keys move it.`;
    clear.disabled = point === null;
  }

  // Those of an older point are given up.
  async function cut() {
    cutting?.abort();
    cutting = new AbortController();
    const over = AbortSignal.any([cutting.signal, signal]);
    try {
      for (const { query, image } of cuts) await showImage(image, file, `${query}&fit=crop&crop=focalpoint&auto=format`, over);
    } catch (error) {
      if (!over.aborted) showProblem(problem, error);
    }
    return !over.aborted;
  }

  // Another change that came first is seen (412), and then nothing is overwritten.
  async function store(wanted) {
    const info = await api(`/files/${file.id}/info`, { signal });
    file.focal = (await info.json()).focal;
    const response = await api(`/files/${file.id}/info`, {
      method: "PATCH", signal, body: JSON.stringify({ focal: wanted }),
      headers: { "Content-Type": "application/merge-patch+json", "If-Match": info.headers.get("ETag") },
    });
    file.focal = (await response.json()).focal;
  }

  function refuse(error, wanted) {
    showProblem(problem, error);
    status.textContent = "";
    if (wanted !== point) return; // a newer one is yet to be saved
    point = file.focal;
    show();
  }

  async function save() {
    const wanted = point;
    try {
      await store(wanted);
    } catch (error) {
      if (!signal.aborted) refuse(error, wanted);
      return;
    }
    problem.replaceChildren();
    status.textContent = wanted ? `Saved: ${percent(wanted.x)} from the left, ${percent(wanted.y)} from the top.` : "Removed: pictures are cut around their middle.";
    cut().then((isNewest) => isNewest && saved());
  }

  // One after the other: two at the same time have one ETag, and the newer point would be refused.
  function saveInTurn() {
    saving = saving.then(() => signal.aborted || save());
  }

  function move(to, pause) {
    point = to;
    show();
    clearTimeout(timer);
    timer = setTimeout(saveInTurn, pause);
  }

  frame.onclick = (event) => {
    if (event.detail === 0) return; // Enter or Space on the marker
    if (image.naturalWidth === 0) return; // there is no place to point at yet
    const box = image.getBoundingClientRect();
    move({ x: inside((event.clientX - box.left) / box.width), y: inside((event.clientY - box.top) / box.height) }, 0);
    marker.focus({ preventScroll: true });
  };
  marker.onkeydown = (event) => {
    const step = event.shiftKey ? LARGE_STEP : STEP, [x, y] = MOVES[event.key] ?? [];
    if (x === undefined) return;
    event.preventDefault();
    const from = point ?? { x: 0.5, y: 0.5 };
    move({ x: inside(from.x + x * step), y: inside(from.y + y * step) }, SAVE_MS);
  };
  clear.onclick = () => {
    move(null, 0);
    marker.focus();
  };
  signal.addEventListener("abort", () => clearTimeout(timer));
  show();
  showImage(image, file, "w=640&fit=max&auto=format", signal).then(cut).catch((error) => signal.aborted || showProblem(problem, error));
  return {
    element: element("div", { class: "focus-place card" }, element("h4", {}, "Focal point"),
      element("p", { class: "faint small" }, "Click where the middle of a cut picture is to be, or move the marker with the arrow keys (with Shift: further). It is stored with the file."),
      element("div", { class: "focus" }, frame, element("div", { class: "focus-cuts" }, ...cuts.map((each) => each.image))),
      status, problem, element("p", { class: "row" }, clear)),
  };
}
