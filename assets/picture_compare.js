// The original against the result, with a slider between them. The result follows the operations: the request for an
// older one is aborted, and the server cancels its job.
import { events } from "./api.js";
import { element, seconds } from "./format.js";
import { showProblem } from "./problem.js";
import { addressOf, fetchImage, showBlob, showImage } from "./image.js";
import { cacheWords, sizeWords, timingBar } from "./timing.js";

const PAUSE_MS = 150; // of typing, before a request is sent
const BROWSERS_SHOW = /^image\/(jpeg|png|webp|gif|avif)$/;

// What was aborted here, and what the server says of it: its counter of cancelled jobs, of all its clients.
function startAborted(signal) {
  const place = element("p", { class: "aborted", role: "status" });
  let count = 0, first = null, last = 0, cancelled = null;
  const show = () => {
    if (count === 0) return;
    const requests = `${count} ${count === 1 ? "request" : "requests"} aborted`;
    const jobs = cancelled === null ? "" : `; the server has cancelled ${cancelled} ${cancelled === 1 ? "job" : "jobs"} since (of all its clients)`;
    place.textContent = `${requests}${jobs}.`;
  };
  const onEvent = (event) => {
    const { total } = event.counters.millrace_jobs_total.cancelled;
    first ??= total;
    if (total < last) first -= last; // the server was started again, and counts from 0
    last = total;
    if (cancelled === total - first) return;
    cancelled = total - first;
    show();
  };
  // A key without the right to see the figures: what was aborted is said without them.
  const end = events({ onEvent, onError: (error) => error.status < 500 && end() });
  signal.addEventListener("abort", end);
  return { element: place, add: () => (count++, show()) };
}

async function showOriginal(image, file, signal) {
  const address = BROWSERS_SHOW.test(file.type) ? await addressOf(file, signal) : null;
  if (address) image.src = address;
  else await showImage(image, file, "w=1600&fit=max&auto=format", signal);
}

function startSlider(frame, result) {
  const slider = element("input", { type: "range", min: 0, max: 100, value: 50, "aria-label": "Original to the left of this point, result to the right" });
  const place = () => frame.style.setProperty("--split", `${slider.value}%`);
  slider.oninput = place;
  place();
  frame.onpointermove = (event) => {
    if (event.pointerType === "mouse" && event.buttons !== 1) return;
    const box = frame.getBoundingClientRect();
    slider.value = ((event.clientX - box.left) / box.width) * 100;
    place();
  };
  frame.onpointerdown = frame.onpointermove;
  result.draggable = false;
  return slider;
}

/** { element, follow(query, isForced) }; forced: also where the query is the same. */
export function startCompare(file, signal) {
  const original = element("img", { class: "original", alt: "the original", draggable: "false" }), result = element("img", { alt: "the result", class: "result" });
  const frame = element("div", { class: "compare" }, original, result,
    element("span", {}, "original"), element("span", {}, "result"));
  const words = element("span", { role: "status" }), bar = element("span"), facts = element("div", { class: "made" }, words, bar), problem = element("div", { role: "alert" });
  const aborted = startAborted(signal);
  let current = null, timer = 0, asked = null;

  async function make(query) {
    const mine = (current = new AbortController());
    frame.classList.add("is-making");
    try {
      const over = AbortSignal.any([mine.signal, signal]);
      const made = await fetchImage(file, query, over);
      mine.isDone = true; // what is not under way cannot be aborted
      await showBlob(result, made.blob, over);
      if (mine !== current) return; // also while it was decoded
      problem.replaceChildren();
      const size = `${result.naturalWidth} × ${result.naturalHeight}: ${sizeWords(made, file.size)}, ${seconds(made.ms / 1000)}`;
      words.textContent = `${size}, ${cacheWords(made)}`;
      bar.replaceChildren(timingBar(made));
      frame.style.aspectRatio = `${result.naturalWidth} / ${result.naturalHeight}`;
    } catch (error) {
      if (mine !== current || signal.aborted) return;
      showProblem(problem, error);
    }
    frame.classList.remove("is-making");
    current = null;
  }

  function follow(query, isForced) {
    if (query === asked && !isForced) return;
    asked = query;
    if (current !== null) {
      current.abort();
      if (!current.isDone) aborted.add();
      current = null;
    }
    clearTimeout(timer);
    timer = setTimeout(() => make(query), PAUSE_MS);
  }

  signal.addEventListener("abort", () => clearTimeout(timer));
  showOriginal(original, file, signal).catch((error) => signal.aborted || showProblem(problem, error));
  const place = element("div", { class: "compare-place card" }, element("h4", {}, "Original and result"), frame,
    startSlider(frame, result), facts, aborted.element, problem);
  return { element: place, follow };
}
