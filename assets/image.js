// Images of a stored picture. They are fetched and not linked: a key can be sent along, a request can be aborted, and
// what the server says of its work (Server-Timing, Cache-Status) can be read.

import { api, key } from "./api.js";

// As a browser asks for an <img>: the server picks the format from it (auto=format).
const ACCEPT = "image/avif,image/webp,image/*,*/*;q=0.8";

let keyWithoutRead = null; // with this key images need an address that is signed

/** The address of an image as others can use it: signed, where the server signs. A path with a query. */
export async function imageAddress(file, query, signal) {
  const response = await api(`/files/${file.id}/image-url?${query}`, { signal });
  return (await response.json()).url;
}

function needsSignature(file) {
  const isSigned = file.image.includes("sig=");
  return isSigned && (key() === "" || key() === keyWithoutRead);
}

// The time is that of this request alone, not of one that was refused before it.
async function get(address, signal) {
  const began = performance.now();
  return { began, response: await api(address, { signal, headers: { Accept: ACCEPT }, cache: "no-store" }) };
}

async function ask(file, query, signal) {
  if (!needsSignature(file)) {
    try {
      return await get(`/images/${file.id}?${query}`, signal);
    } catch (error) {
      if (error.status !== 403 || !file.image.includes("sig=")) throw error;
      keyWithoutRead = key();
    }
  }
  return get(await imageAddress(file, query, signal), signal);
}

/** { blob, type, ms, parts: {wait, work, total} in milliseconds as far as the server says them, cache } */
export async function fetchImage(file, query, signal) {
  const { began, response } = await ask(file, query, signal);
  const blob = await response.blob();
  const parts = {};
  for (const [, name, duration] of (response.headers.get("Server-Timing") ?? "").matchAll(/(\w+);dur=([\d.]+)/g))
    parts[name] = Number(duration);
  return { blob, type: blob.type, ms: performance.now() - began, parts, cache: response.headers.get("Cache-Status") ?? "" };
}

function release(image) {
  if (image.src.startsWith("blob:")) URL.revokeObjectURL(image.src);
}

/** Give back the memory of all images below this element. */
export function releaseImages(place) {
  for (const image of place.querySelectorAll("img")) release(image);
}

/** Show a blob that is an image; it is decoded when this returns. Throws if it is wanted no more. */
export async function showBlob(image, blob, signal) {
  const next = new Image();
  next.src = URL.createObjectURL(blob);
  try {
    await next.decode();
  } catch {
    release(next);
    throw new Error("This browser cannot show this format.");
  }
  if (signal.aborted) {
    release(next);
    throw signal.reason;
  }
  release(image);
  image.src = next.src;
}

/** Fetch and show; what fetchImage() gives. */
export async function showImage(image, file, query, signal) {
  const made = await fetchImage(file, query, signal);
  await showBlob(image, made.blob, signal);
  return made;
}

/** The address under which each client reads the file, or null: it needs the key. */
export async function addressOf(file, signal) {
  if (key() === "" || file.url.includes("sig=")) return file.url;
  const response = await api(file.url, { method: "HEAD", signal });
  return /private|no-store/.test(response.headers.get("Cache-Control") ?? "") ? null : file.url;
}
