// Draws the plots of the lab's report from its JSON. The words and the tables are there without it.
(() => {
  "use strict";
  const { Plot, number, duration, logScale, linearScale, html } = MillraceCharts;
  const report = JSON.parse(document.getElementById("report").textContent);
  const { models, load } = report;
  const panel = { width: 300, height: 180 }; // it fits a phone
  const colour = (model) => `m${model.colour}`;
  const known = (values) => values.filter((value) => value !== null && value > 0);

  // One scale around all values, so that what it is drawn with may be compared.
  function fit(values) {
    const all = known(values);
    return all.length > 0 ? logScale(Math.min(...all), Math.max(...all)) : logScale(1e-4, 1e-2);
  }

  // ---- latency by percentile: x counts nines, 2 is 99 % ----

  const named = [[0.30103, "light_p50", "50 %"], [1, "light_p90", "90 %"], [2, "light_p99", "99 %"], [3, "light_p99.9", "99.9 %"],
    [4, null, "99.99 %"], [5, null, "99.999 %"], [6, null, "99.9999 %"]];
  const ninesOf = (curve, i) => curve.begin + i * curve.step;
  const columns = { light_p50: "p50", light_p90: "p90", light_p99: "p99", "light_p99.9": "p99.9" };

  function pathOf(plot, curve, from, until) {
    return curve.values.slice(from, until)
      .map((value, i) => `${i === 0 ? "M" : "L"}${plot.x(ninesOf(curve, from + i)).toFixed(1)} ${plot.y(value).toFixed(1)}`).join("");
  }

  // A solid line for the median of the rounds; a thin one where only all rounds together can tell.
  function drawCurve(plot, model) {
    const { curve, figures } = model, single = curve.pooled_from;
    if (single > 0) plot.add("path", { class: "curve", d: pathOf(plot, curve, 0, single) });
    if (single < curve.values.length) plot.add("path", { class: "curve pooled", d: pathOf(plot, curve, Math.max(0, single - 1)) });
    for (const [nines, figure] of named) {
      const value = figure && figures[figure].value;
      if (value === null) continue;
      plot.add("circle", { class: "dot", cx: plot.x(nines).toFixed(1), cy: plot.y(value).toFixed(1), r: 3, "data-figure": figure,
        "data-value": value, "data-model": model.name }, `${model.name}: ${columns[figure]} within ${duration(value)}`);
    }
  }

  // Names at the ends of their lines, pushed apart where they would lie on each other.
  function nameCurves(plot, drawn) {
    const high = 17, labels = drawn.map((model) => {
      const last = model.curve.values.length - 1, y = plot.y(model.curve.values[last]);
      return { model, x: plot.x(ninesOf(model.curve, last)), y, textY: y };
    }).sort((a, b) => a.y - b.y);
    labels.forEach((label, i) => (label.textY = i === 0 ? label.y : Math.max(label.y, labels[i - 1].textY + high)));
    let limit = plot.bottom;
    for (const label of labels.toReversed()) {
      label.textY = Math.min(label.textY, limit);
      limit = label.textY - high;
    }
    for (const { model, x, y, textY } of labels) {
      plot.group(colour(model), () => plot.add("path", { class: "leader", d: `M${x + 4} ${y}L${plot.right + 10} ${textY}H${plot.right + 18}` }));
      plot.name(plot.right + 23, textY + 4, "label", model.name, 16);
    }
  }

  function percentiles(host, isWide) {
    const drawn = models.filter((model) => model.curve.values.length > 0);
    const width = isWide ? 990 : 330, height = isWide ? 430 : 330;
    const plot = new Plot({
      id: isWide ? "percentiles" : "percentiles-narrow", title: "Latency of light requests by percentile",
      description: `99 percent of the light requests were answered within: ${models.map((m) => `${m.name} ${duration(m.figures.light_p99.value)}`).join(", ")}`,
      width, height, left: 58, right: width - (isWide ? 150 : 22), top: 12, bottom: height - 46,
      x: [0.1, Math.max(2, ...drawn.map(({ curve }) => ninesOf(curve, curve.values.length - 1)))],
      y: fit(drawn.flatMap(({ curve }) => curve.values)),
    });
    plot.yAxis();
    for (const [nines, , text] of named) {
      if (plot.x(nines) > plot.right + 0.1) continue;
      plot.line(plot.x(nines), plot.top, plot.x(nines), plot.bottom, "grid");
      plot.text(plot.x(nines), plot.bottom + 18, "middle", "tick", text);
    }
    plot.text((plot.left + plot.right) / 2, plot.bottom + 38, "middle", "axis", "share of light requests answered within");
    for (const model of drawn) plot.group(colour(model), () => drawCurve(plot, model));
    if (isWide) nameCurves(plot, drawn);
    host.append(plot.node);
  }

  // ---- the time of a round ----

  function timeAxis(plot) {
    const span = load.round, every = span > 60 ? Math.ceil(span / 50) * 10 : span > 12 ? 5 : span > 5 ? 2 : 1;
    const last = Math.floor(span / every + 1e-9);
    for (let i = 0; i <= last; i++) {
      plot.line(plot.x(i * every), plot.bottom, plot.x(i * every), plot.bottom + 4, "edge");
      plot.text(plot.x(i * every), plot.bottom + 17, "middle", "tick", i === last ? `${i * every} s` : String(i * every));
    }
  }

  function heavyTime(plot) {
    const from = plot.x(load.heavy_from), until = plot.x(load.heavy_until);
    plot.add("rect", { x: from, y: plot.top, width: until - from, height: plot.bottom - plot.top, class: "heavy" });
    for (const x of [from, until]) plot.line(x, plot.top - 4, x, plot.bottom, "edge");
    plot.text((from + until) / 2, plot.top - 5, "middle", "tick", "heavy load");
  }

  // A column from the median to the slowest for each slot, and the line of the medians above.
  function drawMoments(plot, { slot, slots }) {
    let reach = "", median = "", move = "M";
    slots.forEach((moment, i) => {
      if (moment.p50 === null) return void (move = "M");
      const from = plot.x(i * slot).toFixed(1), until = plot.x(Math.min((i + 1) * slot, load.round)).toFixed(1);
      const low = plot.y(moment.p50).toFixed(1);
      reach += `M${from} ${low}V${plot.y(moment.max).toFixed(1)}H${until}V${low}Z`;
      median += `${move}${from} ${low}H${until}`;
      move = "L";
    });
    plot.add("path", { class: "reach", d: reach });
    plot.add("path", { class: "median", d: median });
  }

  function timeline(host, model, y) {
    const { slot, slots } = model.timeline, { light_p50: p50, light_max: max } = model.figures;
    const plot = new Plot({ ...panel, id: `timeline-${models.indexOf(model)}`, title: "Latency of light requests over time",
      description: `Under load the median was ${duration(p50.value)} and the slowest request ${duration(max.value)}.`, x: [0, load.round], y });
    heavyTime(plot);
    plot.yAxis();
    timeAxis(plot);
    plot.group(colour(model), () => drawMoments(plot, model.timeline));
    slots.forEach(({ errors }, i) => {
      if (errors > 0)
        plot.add("path", { class: "failed", d: `M${plot.x((i + 0.5) * slot) - 2} ${plot.top + 2}l4 4m0 -4l-4 4` }, `${errors} requests failed`);
    });
    host.append(plot.node);
  }

  // ---- loop lag ----

  // [{upper: seconds or null, samples}]: all rounds together; [] where there is no loop.
  function buckets(model) {
    const rounds = model.rounds.filter((round) => round.lag_buckets).map((round) => round.lag_buckets);
    return (rounds[0] ?? []).map(({ upper }, i) => ({ upper,
      samples: rounds.reduce((sum, round) => sum + round[i].samples - (i > 0 ? round[i - 1].samples : 0), 0) }));
  }

  function edgeText(seconds) {
    return seconds < 0.9999e-4 ? `${Math.round(seconds * 1e6)} µs` : seconds < 0.9999e-3 ? `${(seconds * 1e3).toFixed(1)} ms`
      : seconds < 0.9999 ? `${Math.round(seconds * 1e3)} ms` : `${Math.round(seconds)} s`;
  }

  function lag(host, model, first, end) {
    const all = buckets(model), total = all.reduce((sum, { samples }) => sum + samples, 0), { lag_p50: p50, lag_p99: p99 } = model.figures;
    const y = linearScale(1, (share) => `${Math.round(share * 100)} %`);
    y.ticks = [0, 0.25, 0.5, 0.75, 1].map((value) => ({ value, text: value % 0.5 === 0 ? `${value * 100} %` : "" }));
    const plot = new Plot({ ...panel, id: `lag-${models.indexOf(model)}`, title: "Loop lag", top: 10, x: [first, end], y,
      description: `The loop was late by at most ${duration(p50.value)} in half of the cases, by ${duration(p99.value)} in 99 %.` });
    plot.yAxis();
    for (let i = first; i < end; i++) {
      const { upper } = all[i], x = plot.x(i + 1), exponent = Math.log10(upper ?? 2);
      if (Math.abs(exponent - Math.round(exponent)) > 1e-6) continue; // 1, 10, 100 ms where there are 2.5 and 5, too
      plot.line(x, plot.bottom, x, plot.bottom + 4, "edge");
      plot.text(x, plot.bottom + 17, "middle", "tick", edgeText(upper));
    }
    plot.group(colour(model), () => all.slice(first, end).forEach(({ upper, samples }, i) => {
      const height = Math.max(1, plot.bottom - plot.y(samples / total)), x = plot.x(first + i);
      if (samples > 0)
        plot.add("rect", { class: "bar", x: x + 0.5, y: plot.bottom - height, width: plot.x(first + i + 1) - x - 1, height,
          "data-upper": upper, "data-samples": samples },
        `${upper === null ? "more" : `up to ${duration(upper)}`}: ${number((100 * samples) / total)} %`);
    }));
    host.append(plot.node);
  }

  // ---- heavy throughput ----

  function bars(host, stream, title) {
    const row = 36, id = `${stream}_rate`, of = models.map((model) => model.figures[id]);
    const highest = Math.max(0, ...of.map((figure) => figure.highest ?? 0)) || 1;
    const plot = new Plot({ id: `bars-${stream}`, title, description: models.map((m, i) => `${m.name} ${number(of[i].value)}`).join(", "),
      width: panel.width, height: row * models.length, left: 2, right: panel.width - 2, top: 0, x: [0, highest], y: linearScale(1, String) });
    models.forEach((model, m) => {
      const { value, lowest, highest: most, rounds } = of[m], y = row * m, bar = { y: y + 18, height: 8 };
      plot.name(plot.left, y + 12, "label", model.name, 22);
      plot.text(plot.right, y + 12, "end", value === null ? "value unknown" : "value", value === null ? "not measured" : number(value));
      plot.add("rect", { x: plot.left, width: plot.right - plot.left, ...bar, class: "track" });
      if (value === null) return;
      plot.group(colour(model), () => plot.add("rect", { class: "bar", x: plot.left, width: (plot.x(value) - plot.left).toFixed(1), ...bar,
        "data-figure": id, "data-value": value, "data-model": model.name }));
      if (rounds.filter((each) => each !== null).length > 1)
        plot.add("path", { class: "spread", d: `M${plot.x(lowest)} ${y + 19}v6m0 -3H${plot.x(most)}m0 -3v6` });
    });
    host.append(plot.node);
  }

  // ---- the page ----

  function panelOf(host, model) {
    const name = [html("span", { class: `swatch ${colour(model)}` }), html("span", { class: "name" }, model.name)];
    const figure = html("figure", {}, html("h3", {}, ...name, html("small", {}, model.title)));
    host.append(figure);
    return figure;
  }

  const host = (id) => document.getElementById(id);
  percentiles(host("percentiles-wide"), true);
  percentiles(host("percentiles-phone"), false);
  const moments = fit(models.flatMap(({ timeline: { slots } }) => slots.flatMap(({ p50, max }) => [p50, max])));
  for (const model of models) timeline(panelOf(host("timelines"), model), model, moments);
  const withLoop = models.filter((model) => buckets(model).some(({ samples }) => samples > 0));
  const used = withLoop.flatMap((model) => buckets(model).flatMap(({ samples }, i) => (samples > 0 ? [i] : [])));
  for (const model of withLoop) lag(panelOf(host("lags"), model), model, Math.min(...used), Math.max(...used) + 1);
  for (const [stream, title] of [["image", "Images resized a second"], ["gzip", "gzip, MiB/s"], ["encrypt", "Encryption, MiB/s"]])
    bars(host("bars").appendChild(html("figure", {}, html("h3", {}, title))), stream, title);
})();
