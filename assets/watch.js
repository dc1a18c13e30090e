// The strips of the last minute: what the loop says (/events) and what this browser felt (ping.js).
import { events } from "./api.js";

const { Strip, duration, percent, count, logScale, linearScale } = MillraceCharts;
const interval = 0.1; // seconds between two events
const minute = 60;
const silence = 3.5 * interval; // no event for longer than that: something stood still
const lanes = ["interactive", "bulk", "heavy"];
export const clock = () => (performance.timeOrigin + performance.now()) / 1000;

const line = (name, colour, width, dash = []) => ({ name, colour, width, dash, points: [] });
const byLane = (words) => lanes.map((lane, i) => line(words(lane), `--series-${[1, 4, 3][i]}`, 1.8, [[], [6, 3], [2, 2]][i]));
const times = (highest) => logScale(1e-4, 10 ** Math.ceil(Math.log10(Math.max(highest, 0.1)))); // whole decades: it seldom moves

function makeLines() {
  return {
    felt: [line("this browser felt", "--series-2", 2.6)],
    lag: [line("the loop says: max", "--series-1", 1), line("p99", "--series-1", 1.8, [6, 2]), line("p50", "--series-1", 1.3, [2, 2])],
    waits: byLane((lane) => `p99, ${lane}`),
    depths: byLane((lane) => lane),
    busy: [line("the loop", "--series-1", 1.8), line("threads that run jobs", "--series-4", 1.8, [6, 3])],
  };
}

const plans = ({ felt, lag, waits, depths, busy }) => [
  { title: "How long a small request waits", lines: [...lag, ...felt], scale: times, format: duration,
    note: "The loop's own probe, and the requests that this browser sends every 50 ms: always both." },
  { title: "How long a job waits for its turn", lines: waits, scale: times, format: duration, note: "Until it begins to run, by lane." },
  { title: "Busy", lines: busy, scale: () => linearScale(1, percent), format: percent,
    note: "The share of the last second in which they computed." },
  { title: "Jobs that wait", lines: depths, scale: (highest) => linearScale(Math.max(highest, 4), count), format: count,
    note: "Ready to run and not yet begun, by lane." },
];

// Draws until stop(). A hidden tab watches nothing: its timers sleep, and what it measured would be its own sleep.
export class Watch {
  #lines = makeLines();
  #holes = []; // in the stream: {from, until: null while it grows}
  #lastEvent = null; // when it came; null: the stream has just been opened
  #skew = Infinity; // this clock less the server's, at its smallest: an event may be late, and is never early
  #recent = []; // readings of the last second
  #waiting = null; // since when a request is out
  #awake = 0; // when this thread last ran: what it slept through is no silence of the stream
  #drawn = 0;
  #tabulated = 0;
  #calm = matchMedia("(prefers-reduced-motion: reduce)");

  // onFelt([[time, seconds], ...]) and onEvent(event): what is read, as it comes; onRest(): nothing is read for a while;
  // onError(error): there is no stream.
  constructor(host, { onFelt, onEvent, onRest, onError }) {
    Object.assign(this, { onFelt, onEvent, onRest, onError });
    this.strips = plans(this.#lines).map((plan) => new Strip(host, plan));
    this.isHeld = false; // they are drawn no more, and go on being filled
    this.visibility = () => (document.hidden ? this.#rest() : this.start());
  }

  start() {
    document.addEventListener("visibilitychange", this.visibility);
    if (document.hidden || this.pings) return;
    this.pings = new Worker(new URL("ping.js", import.meta.url));
    this.pings.addEventListener("message", ({ data }) => this.#readFelt(data));
    this.endStream = events({ interval, onEvent: (event) => this.#readEvent(event), onError: this.onError });
  }

  stop() {
    document.removeEventListener("visibilitychange", this.visibility);
    this.#rest();
  }

  #rest() {
    this.endStream?.();
    this.pings?.terminate();
    this.endStream = this.pings = this.#waiting = this.#lastEvent = null;
    if (this.#holes.at(-1)?.until === null) this.#holes.pop();
    this.onRest();
  }

  // What each request would have taken that is out, or that is due and not sent.
  unanswered(now) {
    const points = [];
    for (let from = this.#waiting ?? now; from < now - 0.01; from += 0.05)
      points.push({ from, until: Math.min(from + 0.05, now), value: now - from });
    return points;
  }

  // Lengths of the holes that ended since then, or have not.
  stalls(since) {
    const now = clock();
    return this.#holes.filter((hole) => (hole.until ?? now) > since).map((hole) => (hole.until ?? now) - Math.max(hole.from, since));
  }

  #readFelt({ samples, waiting }) {
    const [felt] = this.#lines.felt;
    felt.points.push(...samples.map(([from, value]) => ({ from, until: from + 0.05, value })));
    felt.points.sort((a, b) => a.from - b.from);
    this.#waiting = waiting;
    this.onFelt(samples);
    this.#redraw();
  }

  #readEvent(event) {
    const now = clock(), { histograms, gauges } = event, { waits, depths, lag, busy } = this.#lines;
    this.#skew = Math.min(this.#skew, now - event.time);
    const until = event.time + this.#skew, from = until - event.interval;
    const add = (line, value) => line.points.push({ from, until, value });
    const known = (histogram, member) => (histogram.count > 0 ? histogram[member] : null);
    this.#endSilence(now, event.interval);
    ["max", "p99", "p50"].forEach((member, i) => add(lag[i], known(histograms.millrace_loop_lag_seconds, member)));
    lanes.forEach((lane, i) => {
      add(waits[i], known(histograms.millrace_queue_wait_seconds[lane], "p99"));
      add(depths[i], gauges.millrace_queue_depth[lane]);
    });
    const workers = gauges.millrace_workers_busy / Math.max(1, gauges.millrace_workers);
    this.#recent = [...this.#recent, [event.interval, event.loop_busy_share, workers]].slice(-10);
    busy.forEach((line, i) => add(line, this.#mean(i + 1)));
    this.onEvent(event);
    this.#redraw();
  }

  #mean(member) {
    const seconds = this.#recent.reduce((sum, each) => sum + each[0], 0);
    return Math.min(1, this.#recent.reduce((sum, each) => sum + each[member] * each[0], 0) / seconds);
  }

  // A stall shows while it lasts.
  #watchSilence(now) {
    if (this.#lastEvent !== null && now - this.#awake > silence) this.#lastEvent = Math.max(this.#lastEvent, now - interval);
    this.#awake = now;
    if (this.#lastEvent !== null && now - this.#lastEvent > silence && this.#holes.at(-1)?.until !== null)
      this.#holes.push({ from: this.#lastEvent, until: null });
  }

  // The server knows best for how long it sent nothing; but the event before may have come only now, too.
  #endSilence(now, seconds) {
    this.#watchSilence(now);
    const last = this.#holes.at(-1), from = Math.max(now - seconds, last?.until ?? 0);
    if (last?.until === null) last.until = now;
    else if (now - from > silence) this.#holes.push({ from, until: now });
    this.#lastEvent = now;
  }

  #forget(now) {
    for (const { points } of Object.values(this.#lines).flat())
      while (points.length > 0 && points[0].until < now - minute - 2) points.shift();
    this.#holes = this.#holes.filter((hole) => (hole.until ?? now) > now - 2 * minute); // a run may ask for them
  }

  // When something has come, at most ten times a second; with reduced motion once.
  #redraw() {
    const now = clock(), [felt] = this.#lines.felt, known = felt.points;
    if (this.isHeld) return this.#forget(now);
    if (now - this.#drawn < (this.#calm.matches ? 1 : 0.09)) return;
    this.#watchSilence(now);
    this.#forget(now);
    felt.points = [...known, ...this.unanswered(now)];
    for (const strip of this.strips) strip.draw(now, this.#holes);
    if (now - this.#tabulated >= 1) {
      for (const strip of this.strips) strip.tabulate(now);
      this.#tabulated = now;
    }
    felt.points = known;
    this.#drawn = now;
  }
}
