// Requests to the server: the key, problem documents (RFC 9457), and the stream of events.

import { bytes } from "./format.js";

const KEY = "millrace-key";

export function key() {
  return sessionStorage.getItem(KEY) ?? "";
}

export function keepKey(value) {
  if (value === "") sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, value);
}

/** The fields that carry the key; none without one. */
export function authorization() {
  return key() === "" ? {} : { Authorization: `Bearer ${key()}` };
}

/** What the server says is wrong. `limit` and `value` are there where a limit was hit. */
export class Problem extends Error {
  constructor(status, document = {}) {
    super(document.detail ?? document.title ?? `The server responded with status ${status}.`);
    this.status = status;
    this.title = document.title;
    this.limit = document.limit;
    this.value = document.value;
  }
}

async function problemOf(response) {
  const isProblem = (response.headers.get("Content-Type") ?? "").startsWith("application/problem+json");
  return new Problem(response.status, isProblem ? await response.json().catch(() => ({})) : {});
}

/** As fetch(), with the key. A response that is no success is thrown as a Problem; no response, as what fetch() throws. */
export async function api(path, { headers = {}, ...options } = {}) {
  const response = await fetch(path, { ...options, headers: { ...authorization(), ...headers } });
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (problem.status === 401) dispatchEvent(new CustomEvent("millrace-unauthorized", { detail: problem }));
  throw problem;
}

const IN_BYTES = /body|memory|size|space|spill|disk|expansion$|free/; // names of limits that count bytes

/** " Limit max-body: 1 KiB (1024); here: 2 KiB (2048)."; "" where no limit was hit. */
export function limitOf({ limit, value }) {
  const amount = (number) => (IN_BYTES.test(limit.name) && number >= 1024 ? `${bytes(number)} (${number})` : `${number}`);
  return limit ? ` Limit ${limit.name}: ${amount(limit.value)}; here: ${amount(value)}.` : "";
}

/** An error in one sentence. */
export function sentence(error) {
  if (error instanceof Problem) {
    return `${error.message}${/[.!?]$/.test(error.message) ? "" : "."}${limitOf(error)}`;
  }
  return "The server does not respond.";
}

// ---- events ----

async function* lines(response) {
  let rest = "";
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader(); // not every browser iterates over a stream
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    const parts = (rest + read.value).split("\n");
    rest = parts.pop();
    yield* parts;
  }
}

/** What goes wrong in our own code is no fault of the server's. */
function hand(event, onEvent) {
  try {
    onEvent(event);
  } catch (error) {
    reportError(error);
  }
}

async function readEvents(interval, onEvent, signal) {
  const response = await api(`/events?interval=${interval}`, { signal, cache: "no-store" });
  for await (const line of lines(response)) {
    if (line.startsWith("data: ")) hand(JSON.parse(line.slice(6)), onEvent);
  }
}

const wait = (ms, signal) =>
  new Promise((resolve) => {
    const end = () => (clearTimeout(timer), signal.removeEventListener("abort", end), resolve());
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });

/**
 * The server's figures, each `interval` seconds, until the function that is returned is called. A hidden tab has no stream; one that
 * broke is opened again, but not one that is refused (a key is missing, or its right): another key starts the part again. onError(problem) is
 * told of each that could not be opened, onEvent(figures) of each event.
 */
export function events({ interval = 1, onEvent, onError = () => {} }) {
  const ended = new AbortController();
  let open = null;

  async function run(stream) {
    while (!stream.signal.aborted) {
      try {
        await readEvents(interval, onEvent, stream.signal);
      } catch (error) {
        if (stream.signal.aborted) return;
        onError(error);
        if (error instanceof Problem && error.status < 500) return;
      }
      await wait(2000, stream.signal);
    }
  }

  function follow() {
    if (document.hidden || ended.signal.aborted) {
      open?.abort();
      open = null;
    } else if (open === null) {
      open = new AbortController();
      run(open);
    }
  }

  document.addEventListener("visibilitychange", follow, { signal: ended.signal });
  follow();
  return () => {
    ended.abort();
    follow();
  };
}
