// What sharp makes of a picture: quality.js PICTURE FORMAT QUALITY... FILE..., with its own defaults but for the quality.
'use strict';

const sharp = require('sharp');

const [picture, name, ...rest] = process.argv.slice(2);
const format = { jpg: 'jpeg' }[name] || name;
const files = rest.splice(rest.length / 2);

(async () => {
  for (const [index, quality] of rest.entries()) {
    await sharp(picture)[format]({ quality: Number(quality) }).toFile(files[index]);
  }
})();
