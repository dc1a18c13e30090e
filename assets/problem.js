// Problems in full: the title, the detail, the limit that was hit and the value that hit it.

import { Problem, sentence } from "./api.js";
import { bytes, element } from "./format.js";

const IN_BYTES = /body|memory|size|space|spill|disk|expansion$|free/; // names of limits that count bytes

const amount = (name, value) => (IN_BYTES.test(name) && value >= 1024 ? `${bytes(value)} (${value})` : `${value}`);

function words(error) {
  if (!(error instanceof Problem)) return [error instanceof TypeError ? sentence(error) : error.message];
  const { title, message, limit, value } = error;
  return [
    title ? element("strong", {}, title) : null,
    message !== title ? ` ${message}` : null,
    limit ? ` Limit ${limit.name}: ${amount(limit.name, limit.value)}; here: ${amount(limit.name, value)}.` : null,
  ];
}

export function showProblem(place, error) {
  place.replaceChildren(element("p", { class: "error" }, ...words(error)));
}
