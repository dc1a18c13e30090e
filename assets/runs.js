// What a run of the load measured, and what two runs say beside each other. Pure.
const { number, duration, count } = MillraceCharts;
const few = 20; // requests of the browser, below which a run says nothing
const tie = 1.1;

// The least value that a share of the weight does not exceed. entries: [value, weight], not empty.
function percentile(entries, share) {
  const sorted = [...entries].sort((a, b) => a[0] - b[0]);
  const total = sorted.reduce((sum, [, weight]) => sum + weight, 0);
  let seen = 0;
  for (const [value, weight] of sorted) {
    seen += weight;
    if (seen >= share * total * (1 - 1e-9)) return value;
  }
  return sorted.at(-1)[0];
}

// A row of the table, or null when too little was seen. felt: seconds of each request. lags: {seconds, p99, max} of each
// event: one that stands for two seconds counts twenty times as much as one that stands for a tenth.
export function measure({ offload, first, last, felt, lags, stalls }) {
  if (felt.length < few) return null;
  const each = felt.map((value) => [value, 1]), loop = lags.map(({ p99, seconds }) => [p99, seconds]);
  return {
    offload,
    load: `${last.kind}, ${last.rate}/s`,
    felt: { p50: percentile(each, 0.5), p99: percentile(each, 0.99), max: percentile(each, 1) },
    loop: loop.length > 0 ? { p99: percentile(loop, 0.99), max: Math.max(...lags.map(({ max }) => max)) } : { p99: null, max: null },
    submitted: last.submitted - first.submitted,
    done: last.done - first.done,
    refused: last.refused - first.refused + last.expired - first.expired,
    run_mean: last.run_mean,
    stalls: stalls.length,
    longest: Math.max(0, ...stalls),
  };
}

function ratioWords(ratio) {
  return ratio >= 10 ? `${count(ratio)} times` : `${number(ratio)} times`;
}

function compareTwo(a, b) {
  const [slow, quick] = a.felt.p99 >= b.felt.p99 ? [a, b] : [b, a], ratio = slow.felt.p99 / quick.felt.p99;
  const figures = `(${duration(slow.felt.p99)} against ${duration(quick.felt.p99)})`;
  const done = `It did ${count(slow.done)} jobs and refused ${count(slow.refused)}; with ${quick.offload} it did ${count(quick.done)} and refused ${count(quick.refused)}.`;
  if (ratio < tie) return `With ${slow.offload} the browser waited as long at p99 as with ${quick.offload} ${figures}.`;
  const still = slow.longest > 0 ? ` The stream stood still ${slow.stalls === 1 ? "once" : `${count(slow.stalls)} times`}, for up to ${duration(slow.longest)}.` : "";
  return `With ${slow.offload} the browser waited ${ratioWords(ratio)} longer at p99 than with ${quick.offload} ${figures}.${still} ${done}`;
}

// Sentences about the last row: beside the last one of each other offload under the same load, workers first.
export function compare(rows) {
  const newest = rows.at(-1);
  if (!newest) return [];
  const others = new Map(rows.filter((row) => row.load === newest.load && row.offload !== newest.offload).map((row) => [row.offload, row]));
  if (others.size === 0)
    return [`With ${newest.offload} 99 of 100 requests of this browser were answered within ${duration(newest.felt.p99)}. Run the same load with another choice to compare.`];
  return [...others.values()].sort((a, b) => (b.offload === "workers") - (a.offload === "workers")).map((row) => compareTwo(newest, row));
}
