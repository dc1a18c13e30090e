// Figures as people read them, and elements of the document.

const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];

/** 1536 -> "1.5 KiB" */
export function bytes(count) {
  let unit = 0;
  while (count >= 1024 && unit < units.length - 1) {
    count /= 1024;
    unit++;
  }
  return unit === 0 ? `${count} ${count === 1 ? "byte" : "bytes"}` : `${three(count)} ${units[unit]}`;
}

/** 0.0123 -> "12.3 ms", 95 -> "1 min 35 s" */
export function seconds(value) {
  if (value === 0) return "0 s";
  if (value < 1e-3) return `${three(value * 1e6)} µs`;
  if (value < 1) return `${three(value * 1e3)} ms`;
  if (value < 60) return `${three(value)} s`;
  const minutes = Math.floor(value / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(value % 60)} s`;
  if (minutes < 60 * 24) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return `${Math.floor(minutes / 60 / 24)} d ${Math.floor(minutes / 60) % 24} h`;
}

/** 0.256 -> "26 %" */
export function percent(share) {
  return `${Math.round(share * 100)} %`;
}

/** Bytes in a second. */
export function rate(value) {
  return `${bytes(Math.round(value))}/s`;
}

/** At most three digits that say something. */
export function three(value) {
  return value >= 100 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2).replace(/\.?0+$/, "");
}

/**
 * An element: element("button", {type: "button", class: "quiet", onclick: stop, "aria-label": "Stop"}, "Stop").
 * Children are nodes or text, never markup; null and undefined are left out, lists are spread.
 */
export function element(name, props = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return node;
}
