// The lab's work as small services in Node.js do it, in one of three ways: node lab.js handler|pool|threads
//
//   handler   in the request's handler, with calls that compute before they return: gzipSync, createCipheriv, and libvips
//             compiled to WebAssembly, since sharp has no such call
//   pool      with calls that have a promise: zlib.gzip, webcrypto, sharp. All of them compute on libuv's pool
//   threads   in worker_threads, one for each core, each with one job at a time: gzipSync and createCipheriv there. sharp
//             computes on libuv's pool also then, while its thread waits
//
// GET /healthz. POST /image: a picture, 300 pixels wide, as JPEG of quality 75; /gzip: level 6; /encrypt: AES-256-GCM, the
// nonce before it and the tag behind. Says where it listens on standard error. Benchmark only.
'use strict';

const crypto = require('node:crypto');
const http = require('node:http');
const os = require('node:os');
const { promisify } = require('node:util');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const zlib = require('node:zlib');

const WIDTH = 300, QUALITY = 75, LEVEL = 6;
const NONCE = 12, TAG = 16;
const key = Buffer.alloc(32, 7); // no secret: the lab measures

// ---- each kind of work, with calls that compute before they return, and with calls that do not

const gzipSync = (body) => zlib.gzipSync(body, { level: LEVEL });

function encryptSync(body) {
  const nonce = crypto.randomBytes(NONCE);
  const cipher = crypto.createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG });
  return Buffer.concat([nonce, cipher.update(body), cipher.final(), cipher.getAuthTag()]);
}

const gzipAsync = (body) => promisify(zlib.gzip)(body, { level: LEVEL });

async function encryptAsync(body) {
  const nonce = crypto.webcrypto.getRandomValues(new Uint8Array(NONCE));
  const imported = await crypto.webcrypto.subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt']);
  const sealed = await crypto.webcrypto.subtle.encrypt({ name: 'AES-GCM', iv: nonce }, imported, body);
  return Buffer.concat([nonce, Buffer.from(sealed)]);
}

function withSharp() {
  const sharp = require('sharp');
  sharp.concurrency(1); // requests run beside each other
  sharp.cache(false);
  return (body) => sharp(body, { failOn: 'truncated' }).autoOrient().resize({ width: WIDTH })
    .jpeg({ quality: QUALITY, chromaSubsampling: '4:2:0', optimiseCoding: true }).toBuffer();
}

async function withWasm() {
  const vips = await require('wasm-vips')();
  vips.concurrency(1);
  vips.Cache.max(0);
  return (body) => {
    const image = vips.Image.thumbnailBuffer(body, WIDTH, { height: 10 * 1000 * 1000 });
    try {
      return Buffer.from(image.jpegsaveBuffer({ Q: QUALITY, optimize_coding: true, keep: 'none' }));
    } finally {
      image.delete();
    }
  };
}

// ---- the threads

class Pool {
  constructor(size) {
    this.waiting = [];
    this.idle = [];
    for (let i = 0; i < size; i++) this.start();
  }

  start() {
    const thread = new Worker(__filename, { workerData: 'worker' });
    thread.on('message', ({ out, error }) => {
      const { resolve, reject } = thread.job;
      this.idle.push(thread);
      this.next();
      if (error) reject(new Error(error));
      else resolve(Buffer.from(out.buffer, out.byteOffset, out.byteLength));
    });
    this.idle.push(thread);
  }

  run(kind, body) {
    return new Promise((resolve, reject) => {
      this.waiting.push({ kind, body, resolve, reject });
      this.next();
    });
  }

  next() {
    if (this.waiting.length === 0 || this.idle.length === 0) return;
    const thread = this.idle.pop();
    thread.job = this.waiting.shift();
    const { kind, body } = thread.job;
    thread.postMessage({ kind, body }, [body.buffer]); // moved, not copied
  }
}

function work() {
  const kinds = { image: withSharp(), gzip: gzipSync, encrypt: encryptSync };
  parentPort.on('message', async ({ kind, body }) => {
    try {
      parentPort.postMessage({ out: await kinds[kind](Buffer.from(body.buffer)) });
    } catch (error) {
      parentPort.postMessage({ error: error.message });
    }
  });
}

// ---- the service

const ways = {
  handler: async () => ({ image: await withWasm(), gzip: gzipSync, encrypt: encryptSync }),
  pool: async () => ({ image: withSharp(), gzip: gzipAsync, encrypt: encryptAsync }),
  threads: async () => {
    const pool = new Pool(os.availableParallelism());
    return Object.fromEntries(['image', 'gzip', 'encrypt'].map((kind) => [kind, (body) => pool.run(kind, body)]));
  },
};

// In memory of its own, which can be moved to a thread.
async function read(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.allocUnsafeSlow(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  chunks.reduce((at, chunk) => at + chunk.copy(body, at), 0);
  return body;
}

function respond(response, status, type, body) {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': body.length });
  response.end(body);
}

async function handle(kinds, request, response) {
  const kind = request.url.slice(1);
  if (request.method === 'GET' && request.url === '/healthz') {
    respond(response, 200, 'application/json', '{"status":"ok"}');
  } else if (request.method === 'POST' && Object.hasOwn(kinds, kind)) {
    const out = await kinds[kind](await read(request));
    respond(response, 200, kind === 'image' ? 'image/jpeg' : 'application/octet-stream', out);
  } else {
    respond(response, 404, 'text/plain', 'not found\n');
  }
}

async function serve(way) {
  const kinds = await ways[way]();
  const server = http.createServer((request, response) => {
    handle(kinds, request, response).catch((error) => respond(response, 422, 'text/plain', `${error.message}\n`));
  });
  server.keepAliveTimeout = 75 * 1000; // as Millrace's; Node's own is 5 s, which a handler that computes outlasts
  server.listen(0, '127.0.0.1', () => {
    process.stderr.write(`listening on http://127.0.0.1:${server.address().port}\n`);
  });
  process.on('SIGTERM', () => process.exit(0));
}

if (!isMainThread && workerData === 'worker') {
  work();
} else if (isMainThread) {
  const way = process.argv[2];
  if (!Object.hasOwn(ways, way)) {
    process.stderr.write('usage: node lab.js handler|pool|threads\n');
    process.exit(2);
  }
  serve(way);
}
