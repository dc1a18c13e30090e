// The picture in several widths with its operations: what each costs, in bytes and in time.
import { bytes, element, seconds } from "./format.js";
import { showProblem } from "./problem.js";
import { fetchImage, showBlob } from "./image.js";
import { cacheWords, timingBar } from "./timing.js";

export const WIDTHS = [160, 320, 640, 1280];

/** The query of this picture at another width in pixels: a height that is given grows with it. */
export function atWidth(query, width) {
  const wanted = new URLSearchParams(query);
  const before = Number(wanted.get("w")), height = Number(wanted.get("h"));
  wanted.set("w", width);
  wanted.delete("dpr"); // would multiply it
  if (height > 0 && before > 0) wanted.set("h", Math.max(1, Math.round((height * width) / before)));
  else wanted.delete("h");
  return wanted.toString();
}

function cardOf(width) {
  const image = element("img", { alt: `${width} pixels wide` });
  const facts = element("figcaption", {});
  return { width, image, facts, element: element("figure", { class: "size" }, element("span", { class: "size-image" }, image), facts) };
}

function fill(card, made, slowest) {
  const type = made.type.replace("image/", "");
  card.element.classList.remove("is-old");
  card.image.alt = `${card.image.naturalWidth} pixels wide`;
  card.facts.replaceChildren(
    element("strong", {}, `${card.image.naturalWidth} × ${card.image.naturalHeight}`),
    element("span", {}, `${bytes(made.blob.size)} ${type}, ${seconds(made.ms / 1000)}`),
    element("span", { class: "faint" }, cacheWords(made)), timingBar(made, slowest));
}

/** { element, follow(query) }; measured(query, widths) is called with the widths that came of WIDTHS, as far as they are known. */
export function startSizes(file, signal, measured) {
  const cards = WIDTHS.map(cardOf), problem = element("div", { role: "alert" });
  const again = element("button", { type: "button", class: "quiet" }, "Measure again");
  const place = element("div", { class: "sizes-place card" }, element("h4", {}, "Sizes"),
    element("div", { class: "sizes" }, ...cards.map((card) => card.element)), problem, element("p", { class: "row" }, again));
  let current = null, asked = "";

  // One after the other, so that no size waits for another one and is called slow.
  async function make(query) {
    const mine = (current = new AbortController());
    const over = AbortSignal.any([mine.signal, signal]), made = [];
    for (const card of cards) card.element.classList.add("is-old");
    try {
      for (const card of cards) {
        made.push(await fetchImage(file, atWidth(query, card.width), over));
        await showBlob(card.image, made.at(-1).blob, over);
        const slowest = Math.max(...made.map((each) => each.ms));
        made.forEach((each, i) => fill(cards[i], each, slowest));
      }
      problem.replaceChildren();
    } catch (error) {
      if (!over.aborted) showProblem(problem, error);
    }
    if (!over.aborted) measured(query, made.map((each, i) => cards[i].image.naturalWidth));
  }

  function follow(query) {
    asked = query;
    current?.abort();
    make(query);
  }

  again.onclick = () => follow(asked);
  return { element: place, follow };
}
