// Problems in full: the title, the detail, the limit that was hit and the value that hit it.

import { Problem, limitOf, sentence } from "./api.js";
import { element } from "./format.js";

function words(error) {
  if (!(error instanceof Problem)) return [error instanceof TypeError ? sentence(error) : error.message];
  const { title, message } = error;
  return [
    title ? element("strong", {}, title) : null,
    message !== title ? ` ${message}` : null,
    limitOf(error),
  ];
}

export function showProblem(place, error) {
  place.replaceChildren(element("p", { class: "error" }, ...words(error)));
}
