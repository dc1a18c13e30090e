// What a small service in Node would do: read a body whole, gzip it (zlib, asynchronous: libuv's pool) or encrypt it
// (webcrypto, AES-256-GCM), answer. Says where it listens on standard error.
"use strict";
const http = require("node:http");
const zlib = require("node:zlib");
const { promisify } = require("node:util");
const { webcrypto } = require("node:crypto");

const gzip = promisify(zlib.gzip);
const key = webcrypto.subtle.importKey("raw", new Uint8Array(32), "AES-GCM", false, ["encrypt"]);

async function encrypt(body) {
    const iv = webcrypto.getRandomValues(new Uint8Array(12));
    const sealed = await webcrypto.subtle.encrypt({ name: "AES-GCM", iv }, await key, body);
    return Buffer.concat([iv, Buffer.from(sealed)]);
}

const stages = { "/gzip": (body) => gzip(body, { level: 6 }), "/encrypt": encrypt };

async function answer(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const out = await stages[request.url](Buffer.concat(chunks));
    response.writeHead(200, { "Content-Type": "application/octet-stream", "Content-Length": out.length });
    response.end(out);
}

const server = http.createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
});
server.listen(0, "127.0.0.1", () => console.error(`listening on http://127.0.0.1:${server.address().port}`));
