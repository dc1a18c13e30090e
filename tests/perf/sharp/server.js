// What Millrace is measured against: the same service as a Node.js program with sharp. Benchmark only.
// POST any path, with ?w= and ?fm= as Millrace has them. GET /NAME with these: of a file in the directory that the command
// line names. GET without them: the versions.
'use strict';

const http = require('node:http');
const path = require('node:path');
const sharp = require('sharp');

sharp.concurrency(1); // as Millrace: requests run beside each other, on UV_THREADPOOL_SIZE threads
sharp.cache(false);

// What src/media/image/image_encode.c asks of the encoders for a photograph, with the numbers of quality.c for q=75.
const encoders = {
  jpeg: { quality: 75, chromaSubsampling: '4:2:0', optimiseCoding: true },
  png: { compressionLevel: 6, adaptiveFiltering: false },
  webp: { quality: 79, effort: 4 },
  avif: { quality: 56, effort: 4, chromaSubsampling: '4:2:0', bitdepth: 8 },
};

function resize(source, parameters) {
  const image = sharp(source, { failOn: 'truncated' });
  image.autoOrient().resize({ width: Number(parameters.get('w')) });
  for (const [format, options] of Object.entries(encoders)) {
    // Without force the output is of the input's format, and has the options of that one.
    image[format]({ ...options, force: format === parameters.get('fm') });
  }
  return image.toBuffer({ resolveWithObject: true });
}

async function answer(request, response) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const { pathname, searchParams } = new URL(request.url, 'http://localhost');
  if (request.method === 'GET' && !searchParams.has('w')) {
    response.end(JSON.stringify({ node: process.version, ...sharp.versions }));
    return;
  }
  const source = request.method === 'GET' ? path.join(process.argv[2], path.basename(pathname)) : Buffer.concat(chunks);
  const { data, info } = await resize(source, searchParams);
  response.writeHead(200, { 'Content-Type': `image/${info.format}`, 'Content-Length': data.length });
  response.end(data);
}

const server = http.createServer((request, response) => {
  answer(request, response).catch((error) => {
    response.statusCode = 422;
    response.end(`${error.message}\n`);
  });
});
server.listen(0, '127.0.0.1', () => {
  process.stderr.write(`listening on http://127.0.0.1:${server.address().port}\n`);
});
process.on('SIGTERM', () => process.exit(0));
