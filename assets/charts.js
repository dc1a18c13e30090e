// Charts of the page and of the lab's report, drawn from plain data. A classic script, so that the report can hold it.
//
// Strip: the last minute of some lines on a canvas, with a legend in words and a table behind it. Colours are the style
// sheet's: a line names a custom property, and the canvas asks the legend what it looks like now, in light or dark.
// Plot: a frame with two scales in SVG, for figures that stay. Its elements have classes, which the style sheet paints.
const MillraceCharts = (() => {
  "use strict";

  // ---- numbers ----

  // Three digits, as the lab's report has them: "0.851", "1.24", "344", "1,240".
  function number(value) {
    if (value === null || !Number.isFinite(value)) return "-";
    const digits = value === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : value >= 0.9995 ? 2 : 3;
    return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  }

  function duration(seconds) {
    if (seconds === null || !Number.isFinite(seconds)) return "-";
    return seconds < 0.9995 ? `${number(seconds * 1e3)} ms` : `${number(seconds)} s`;
  }

  const percent = (share) => (share === null ? "-" : `${Math.round(share * 100)} %`);
  const count = (value) => (value === null ? "-" : Math.round(value).toLocaleString("en-US"));

  // ---- scales: share() is 0 at the axis and 1 at the top ----

  // The next of 1, 2, 5, 10, 20 ...
  function step(value) {
    const decade = 10 ** Math.floor(Math.log10(value) + 1e-9), digit = Math.round(value / decade);
    return decade * (digit < 2 ? 2 : digit < 5 ? 5 : 10);
  }

  function isDecade(value) {
    const exponent = Math.log10(value);
    return Math.abs(exponent - Math.round(exponent)) < 1e-6;
  }

  function tickText(seconds) {
    const units = [[1, "s"], [1e-3, "ms"], [1e-6, "µs"]];
    const [size, unit] = units.find(([size]) => seconds >= 0.9999 * size) ?? [1e-9, "ns"];
    return `${Math.round(seconds / size)} ${unit}`;
  }

  // Durations around those two, both above 0. A smaller one lies on the axis.
  function logScale(lowest, highest) {
    let min = 10 ** Math.floor(Math.log10(lowest) + 1e-9);
    while (step(min) <= lowest) min = step(min);
    let max = step(min);
    while (max < highest) max = step(max);
    const isShort = max / min < 30, ticks = []; // two decades have texts enough; fewer get them at 2 and 5, too
    for (let value = min; value <= max * 1.001; value = step(value))
      ticks.push({ value, text: isShort || isDecade(value) ? tickText(value) : "" });
    const share = (value) => Math.log(Math.min(Math.max(value, min), max) / min) / Math.log(max / min);
    return { min, max, ticks, share };
  }

  function linearScale(highest, text) {
    let every = step(highest / 8);
    while (highest / every > 5) every = step(every);
    const ticks = [];
    for (let value = 0; value <= highest + every * 1e-6; value += every) ticks.push({ value, text: text(value) });
    const max = Math.max(highest, every);
    return { min: 0, max, ticks, share: (value) => Math.min(Math.max(value / max, 0), 1) };
  }

  // ---- elements ----

  const svgNames = "http://www.w3.org/2000/svg";

  function fill(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes ?? {}))
      if (value !== null && value !== undefined) node.setAttribute(name, value);
    node.append(...children);
    return node;
  }

  const html = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
  const svg = (tag, attributes, ...children) => fill(document.createElementNS(svgNames, tag), attributes, children);

  // A piece of the line as the chart draws it: its colour, its width and its dashes.
  function swatch(line) {
    const stroke = svg("line", { x1: 1, x2: 25, y1: 5, y2: 5, "stroke-width": line.width, stroke: "currentColor",
      "stroke-dasharray": (line.dash ?? []).join(" ") });
    const area = svg("rect", { width: 26, height: 10, fill: "currentColor", opacity: 0.3 });
    const node = svg("svg", { width: 26, height: 10, "aria-hidden": "true", class: "swatch" }, line.isArea ? area : stroke);
    node.style.color = `var(${line.colour})`;
    return node;
  }

  // ---- strips ----

  const left = 52, right = 8, top = 18, bottom = 20; // around the plot, in CSS pixels

  // A hole's text, in as few letters as there is room for.
  const holeText = (hole, now) => duration((hole.until ?? now) - hole.from);

  class Strip {
    // title, note: texts. lines: {name, colour: "--name", width, dash}, each with points: [{from, until, value}] in order
    // of time, in seconds; the owner of the lines adds and forgets them. scale(highest): what the y axis is, given the
    // highest value in view. format(value): text. hole: the legend's words for {from, until or null while it grows}.
    constructor(host, { title, note, lines, scale, format, seconds = 60, hole = { name: "the stream stood still", colour: "--warn" } }) {
      Object.assign(this, { lines, scale, format, seconds, holes: [] });
      this.holeLine = { ...hole, isArea: true, width: 0 };
      this.canvas = html("canvas", { role: "img" });
      this.legend = html("ul", { class: "legend" });
      this.outputs = lines.map((line) => this.#explain(line));
      this.holeOutput = this.#explain(this.holeLine);
      this.body = html("tbody");
      this.details = html("details", {}, html("summary", {}, `Table: ${title.toLowerCase()}`), this.#makeTable(title));
      this.details.addEventListener("toggle", () => this.tabulate(this.now));
      this.canvas.setAttribute("aria-label", `${title}: the last ${seconds} seconds. The table below has the figures.`);
      this.figure = html("figure", { class: "strip" }, html("h3", {}, title), html("p", { class: "faint" }, note),
        this.legend, this.canvas, this.details);
      host.append(this.figure);
      this.now = 0;
    }

    #explain(line) {
      line.swatch = swatch(line);
      const output = html("b");
      this.legend.append(html("li", {}, line.swatch, html("span", {}, line.name), output));
      return output;
    }

    #makeTable(title) {
      const head = ["seconds ago", ...this.lines.map((line) => line.name), this.holeLine.name];
      const cells = head.map((text, i) => html("th", { scope: "col", class: i > 0 ? "number" : null }, text));
      const table = html("table", {}, html("caption", {}, "The highest of each second"),
        html("thead", {}, html("tr", {}, ...cells)), this.body);
      return html("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `${title}, as a table` }, table);
    }

    #highest(from, until, line) {
      let highest = null;
      for (const point of line.points)
        if (point.value !== null && point.until > from && point.from < until && (highest === null || point.value > highest))
          highest = point.value;
      return highest;
    }

    // The seconds of the hole that lie within the window.
    #held(from, until) {
      return this.holes.reduce((sum, hole) =>
        sum + Math.max(0, Math.min(hole.until ?? this.now, until) - Math.max(hole.from, from)), 0);
    }

    // The figures of the last second beside the legend's names, and the table if it is open. For once a second.
    tabulate(now) {
      this.now = now;
      this.lines.forEach((line, i) => {
        this.outputs[i].textContent = this.format(this.#highest(now - 1, now, line));
      });
      const longest = Math.max(0, ...this.holes.map((hole) => (hole.until ?? now) - hole.from));
      this.holeOutput.textContent = longest > 0 ? `${this.holes.length}, longest ${duration(longest)}` : "none";
      if (this.details.open) this.body.replaceChildren(...this.#rows(now));
    }

    #rows(now) {
      const rows = [];
      for (let ago = 0; ago < this.seconds; ago++) {
        const from = now - ago - 1, values = this.lines.map((line) => this.#highest(from, from + 1, line));
        const held = this.#held(from, from + 1);
        if (values.every((value) => value === null) && held === 0) continue;
        const cell = (value, text) => html("td", { "data-value": value, class: "number" }, text);
        rows.push(html("tr", {}, html("th", { scope: "row" }, String(ago)),
          ...values.map((value) => cell(value, this.format(value))), cell(held, held > 0 ? duration(held) : "-")));
      }
      return rows;
    }

    // ---- drawing ----

    draw(now, holes = []) {
      const { canvas } = this, ratio = window.devicePixelRatio || 1;
      const width = canvas.clientWidth, height = canvas.clientHeight;
      this.now = now;
      this.holes = holes.filter((hole) => (hole.until ?? now) > now - this.seconds);
      if (width < left + right + 10) return; // it is not shown
      if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
        canvas.width = Math.round(width * ratio);
        canvas.height = Math.round(height * ratio);
      }
      const pen = canvas.getContext("2d"), style = getComputedStyle(canvas);
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
      pen.clearRect(0, 0, width, height);
      pen.font = `12px ${style.fontFamily}`;
      let highest = 0;
      for (const line of this.lines) highest = Math.max(highest, this.#highest(now - this.seconds, now, line) ?? 0);
      const scale = this.scale(highest);
      const frame = {
        pen, scale, now, ink: style.color, width, base: height - bottom,
        x: (time) => width - right - ((now - time) / this.seconds) * (width - left - right),
        y: (value) => height - bottom - scale.share(value) * (height - bottom - top),
      };
      this.#drawHoles(frame);
      this.#drawAxes(frame);
      pen.save();
      pen.beginPath();
      pen.rect(left, 0, width - left - right, height);
      pen.clip();
      for (const line of this.lines) this.#drawLine(frame, line);
      pen.restore();
      this.#nameHoles(frame);
    }

    #drawAxes({ pen, scale, now, ink, width, base, x, y }) {
      pen.fillStyle = pen.strokeStyle = ink;
      pen.lineWidth = 1;
      pen.textAlign = "right";
      pen.textBaseline = "middle";
      for (const tick of scale.ticks) {
        const at = Math.round(y(tick.value)) + 0.5;
        pen.globalAlpha = tick.text ? 0.22 : 0.09;
        pen.beginPath();
        pen.moveTo(left, at);
        pen.lineTo(width - right, at);
        pen.stroke();
        pen.globalAlpha = 1;
        pen.fillText(tick.text, left - 6, at);
      }
      pen.textBaseline = "alphabetic";
      const every = width < 400 ? this.seconds / 2 : this.seconds / 4;
      for (let ago = 0; ago <= this.seconds; ago += every) {
        pen.textAlign = ago === 0 ? "right" : ago === this.seconds ? "left" : "center";
        pen.fillText(ago === 0 ? "now" : `${ago} s ago`, x(now - ago), base + 15);
      }
    }

    // A point stands for its whole time. Where one is missing for longer than half a second, the line is broken.
    #drawLine({ pen, x, y }, line) {
      pen.strokeStyle = getComputedStyle(line.swatch).color;
      pen.lineWidth = line.width;
      pen.lineJoin = "round";
      pen.setLineDash(line.dash ?? []);
      pen.beginPath();
      let end = -Infinity;
      for (const { from, until, value } of line.points) {
        if (value === null) continue;
        if (from - end > 0.5) pen.moveTo(x(from), y(value));
        else pen.lineTo(x(from), y(value));
        pen.lineTo(x(until), y(value));
        end = until;
      }
      pen.stroke();
      pen.setLineDash([]);
    }

    #drawHoles({ pen, now, base, x }) {
      const colour = getComputedStyle(this.holeLine.swatch).color;
      for (const hole of this.holes) {
        const from = Math.max(x(hole.from), left), until = x(hole.until ?? now);
        pen.fillStyle = pen.strokeStyle = colour;
        pen.globalAlpha = 0.3;
        pen.fillRect(from, top, Math.max(until - from, 1), base - top);
        pen.globalAlpha = 0.9;
        pen.fillRect(from, top, Math.max(until - from, 1), 2); // a lid and a wall, which are seen without colours
        pen.fillRect(from, top, 1, base - top);
        pen.globalAlpha = 1;
      }
    }

    // The longest first; one that has no room is left to the table.
    #nameHoles({ pen, now, width, ink, x }) {
      const taken = [], length = (hole) => (hole.until ?? now) - hole.from;
      pen.fillStyle = ink;
      pen.textAlign = "center";
      pen.textBaseline = "alphabetic";
      for (const hole of [...this.holes].sort((a, b) => length(b) - length(a))) {
        const text = holeText(hole, now), half = pen.measureText(text).width / 2 + 3;
        const middle = (Math.max(x(hole.from), left) + x(hole.until ?? now)) / 2;
        const at = Math.min(Math.max(middle, left + half), width - right - half);
        if (taken.some(([from, until]) => from < at + half && at - half < until)) continue;
        taken.push([at - half, at + half]);
        pen.fillText(text, at, top - 5);
      }
    }
  }

  // ---- plots ----

  class Plot {
    // y: a scale; x: [least, greatest], linear. The plot's area lies between left, right, top and bottom. title and
    // description are for people who do not see it; id is the plot's own on the page.
    constructor({ id, title, description, width, height, left = 54, right = width - 10, top = 20, bottom = height - 24, x = [0, 1], y }) {
      Object.assign(this, { left, right, top, bottom, scale: y });
      this.x = (value) => left + ((value - x[0]) / (x[1] - x[0])) * (right - left);
      this.y = (value) => bottom - y.share(value) * (bottom - top);
      this.node = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-labelledby": `${id}-t ${id}-d` },
        svg("title", { id: `${id}-t` }, title), svg("desc", { id: `${id}-d` }, description));
      this.into = this.node;
    }

    add(tag, attributes, title) {
      const node = svg(tag, attributes, ...(title ? [svg("title", {}, title)] : []));
      this.into.append(node);
      return node;
    }

    // What draw() adds is of that colour.
    group(css, draw) {
      const outer = this.into;
      this.into = this.add("g", { class: css });
      draw();
      this.into = outer;
    }

    text(x, y, anchor, css, text) {
      this.add("text", { x, y, "text-anchor": anchor, class: css }).textContent = text;
    }

    // Names may be long.
    name(x, y, css, name, length) {
      const letters = [...name];
      this.text(x, y, "start", css, letters.length > length ? `${letters.slice(0, length - 1).join("")}…` : name);
    }

    line(x1, y1, x2, y2, css) {
      this.add("line", { x1, y1, x2, y2, class: css });
    }

    yAxis() {
      for (const { value, text } of this.scale.ticks) {
        const y = this.y(value);
        this.line(this.left, y, this.right, y, text ? "grid" : "grid faint");
        if (text) this.text(this.left - 7, y + 4, "end", "tick", text);
      }
    }
  }

  return { Strip, Plot, number, duration, percent, count, logScale, linearScale, html, svg };
})();
