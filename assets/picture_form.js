// The operations as a form. Its fields are made from GET /pipe: types, ranges, choices and words stand there.
import { api } from "./api.js";
import { element } from "./format.js";
import { showProblem } from "./problem.js";

// What is worth a field, in groups, and what it is called here. The rest can be typed into "other".
const GROUPS = [
  ["Size", { w: "Width", h: "Height", fit: "Fit", crop: "Keep", dpr: "Pixel ratio" }],
  ["Format", { fm: "Format", q: "Quality", lossless: "Lossless" }],
  ["Turn and frame", { rot: "Turn", flip: "Mirror", trim: "Trim", pad: "Border", bg: "Background" }],
  ["Colour", { bri: "Brightness", con: "Contrast", gam: "Gamma", sat: "Saturation", mono: "One colour" }],
  ["Sharpness", { blur: "Blur", sharp: "Sharpen" }],
];
const INITIAL = { w: "640", fm: "auto" };
const SLIDER_MAX = 2000; // a range that is longer is typed, not slid

// A slider has no empty position, so that 0 stands for "as it is": only numbers that have it become one.
const isSlider = ({ type, min, max }) => type === "number" && min <= 0 && max >= 100 && max <= SLIDER_MAX;

function inputOf(parameter) {
  const { name, type, min, max, choices = [] } = parameter;
  const common = { id: `op-${name}`, name };
  if (type === "choice") {
    const options = choices.filter((word) => word !== "none").map((word) => element("option", {}, word));
    if (name === "fm") options.unshift(element("option", { value: "auto" }, "automatic"));
    return element("select", common, element("option", { value: "" }, "–"), ...options);
  }
  if (type === "boolean") return element("input", { ...common, type: "checkbox" });
  if (isSlider(parameter)) return element("input", { ...common, type: "range", min, max, step: 1, value: 0 });
  if (type === "integer" || type === "number")
    return element("input", { ...common, type: "number", min, max, step: type === "integer" ? 1 : "any", inputmode: "decimal" });
  return element("input", { ...common, type: "text", spellcheck: "false", autocapitalize: "off" });
}

function fieldOf(parameter, title) {
  const input = inputOf(parameter), text = `${parameter.text}${parameter.unit ? ` (${parameter.unit})` : ""}`;
  const hint = element("span", { class: "hint", id: `hint-${parameter.name}` }, text);
  input.setAttribute("aria-describedby", hint.id);
  const label = element("label", { for: input.id, title: text }, title, " ", element("code", {}, parameter.name));
  const field = element("div", { class: "field" }, label, input);
  if (input.type === "range") {
    const value = element("output", { for: input.id, "aria-live": "off" }, "0"); // the slider itself is spoken
    input.showValue = () => (value.textContent = input.value);
    field.append(value);
  }
  field.append(hint);
  return field;
}

const isGiven = (input) => input.type === "checkbox" ? input.checked : input.value !== "" && (input.type !== "range" || Number(input.value) !== 0);

function queryOf(form) {
  const query = new URLSearchParams();
  for (const input of form.elements) {
    if (!input.name || !isGiven(input)) continue;
    if (input.name === "fm" && input.value === "auto") query.set("auto", "format");
    else if (input.name === "other") for (const [name, value] of new URLSearchParams(input.value)) query.append(name, value);
    else query.set(input.name, input.type === "checkbox" ? "1" : input.value);
  }
  return query.toString();
}

function fill(form, stage) {
  const known = new Map(stage.parameters.map((parameter) => [parameter.name, parameter]));
  for (const [title, names] of GROUPS) {
    const wanted = Object.entries(names).filter(([name]) => known.has(name));
    const fields = element("div", { class: "fields" }, wanted.map(([name, called]) => fieldOf(known.get(name), called)));
    form.append(element("fieldset", {}, element("legend", {}, title), fields));
  }
  form.append(fieldOf({ name: "other", type: "text", text: "more parameters, as in an address: rect=0,0,100,100&strip=0" }, "Others"));
}

function reset(form) {
  form.reset();
  for (const input of form.elements) {
    if (INITIAL[input.name]) input.value = INITIAL[input.name];
    input.showValue?.();
  }
}

/** { element, query() }; changed(query) is called with each edit, and once at the beginning. */
export function startForm(signal, changed) {
  const form = element("form", { class: "operations", "aria-label": "Operations" });
  const problem = element("div"), hints = element("input", { type: "checkbox", id: "op-hints" });
  const place = element("div", { class: "operations-place card" }, element("h4", {}, "Operations"), problem, form);
  const tell = () => changed(queryOf(form));
  form.oninput = (event) => {
    event.target.showValue?.();
    if (event.target !== hints) tell();
  };
  form.onsubmit = (event) => event.preventDefault();
  hints.onchange = () => {
    hints.defaultChecked = hints.checked; // Reset leaves it as it is
    form.classList.toggle("with-hints", hints.checked);
  };
  const load = async () => {
    try {
      const { stages } = await (await api("/pipe", { signal })).json();
      fill(form, stages.find((stage) => stage.name === "image"));
    } catch (error) {
      if (!signal.aborted) showProblem(problem, error);
      return;
    }
    const again = element("button", { type: "button", class: "quiet", onclick: () => (reset(form), tell()) }, "Reset");
    form.append(element("p", { class: "row" }, again,
      element("label", { class: "check" }, hints, " explain each operation")));
    reset(form);
    tell();
  };
  load();
  return { element: place, query: () => queryOf(form) };
}
