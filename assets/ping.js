// What this browser feels: a small request every 50 ms, from a thread of its own, so that the page's drawing is no part
// of it. Posts {samples: [[time, seconds], ...], waiting: time or null} ten times a second; a time is in seconds since 1970.
//
// At most two requests are out. One that is due while two are out is not sent: it would have been answered with them, so
// it waits until the next response comes and counts with that time, or with the quickest that was seen, which is what it
// takes to the server and back. Without these a stall of two seconds would be two slow requests, and not forty.
"use strict";

const interval = 0.05, outMax = 2, waitingMax = 1200;
const clock = () => (performance.timeOrigin + performance.now()) / 1000;
const out = new Set(); // {time}: sent, and no response yet
let held = []; // times of those that were due, and are not sent
let samples = [];
let quickest = Infinity;
let due = clock();

function settle(ping) {
  const now = clock();
  quickest = Math.min(quickest, now - ping.time);
  samples.push([ping.time, now - ping.time], ...held.map((time) => [time, Math.max(now - time, quickest)]));
  held = [];
}

async function send(time) {
  const ping = { time };
  out.add(ping);
  try {
    const response = await fetch("/healthz", { cache: "no-store" });
    await response.text();
    if (response.ok) settle(ping);
    else held.push(time);
  } catch {
    held.push(time); // no server: it goes on to wait
  }
  out.delete(ping);
}

function beat() {
  const now = clock();
  while (due + interval <= now) due += interval; // what this thread itself slept through is no fault of the server
  if (out.size < outMax) send(now);
  else if (held.length < waitingMax) held.push(now);
  due += interval;
  setTimeout(beat, Math.max(0, (due - clock()) * 1000));
}

function report() {
  const waiting = [...[...out].map((ping) => ping.time), ...held];
  postMessage({ samples, waiting: waiting.length > 0 ? Math.min(...waiting) : null });
  samples = [];
}

beat();
setInterval(report, 100);
