// One picture looked at: its operations and what becomes of it, its sizes, its focal point, and lines to copy.
import { element } from "./format.js";
import { startCompare } from "./picture_compare.js";
import { startFocus } from "./picture_focus.js";
import { startForm } from "./picture_form.js";
import { startLines } from "./picture_lines.js";
import { startSizes } from "./picture_sizes.js";

const SETTLE_MS = 400; // what follows from the operations waits until nobody types

/** Build it into this element; returns what stops it. */
export function startPicture(place, file) {
  const over = new AbortController();
  let timer = 0;
  const bench = element("div", { class: "bench" });
  const lines = startLines(file, over.signal), sizes = startSizes(file, over.signal, lines.measured);
  const compare = startCompare(file, over.signal);
  const focus = startFocus(file, over.signal, () => changed(form.query(), true));
  const changed = (query, isForced) => {
    compare.follow(query, isForced);
    clearTimeout(timer);
    timer = setTimeout(() => {
      sizes.follow(query);
      lines.follow(query);
    }, SETTLE_MS);
  };
  const form = startForm(over.signal, changed);
  bench.append(compare.element, form.element);
  place.append(bench, sizes.element, focus.element, lines.element);
  return () => {
    clearTimeout(timer);
    over.abort();
  };
}
