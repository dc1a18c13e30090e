// Addresses as two clients of imgix build them: node imgix.mjs PATH
// Prints {"urls": [...], "fluid": [[url, width], ...], "fixed": [[url, ratio], ...], "unpic": [...]}, all of HOST.
import { createRequire } from "node:module";

const HOST = "shop.imgix.net"; // they know no other: the test puts ours in its place
const load = createRequire(new URL("../../.cache/npm/", import.meta.url));
const Client = load("@imgix/js-core");
const { transformUrl } = load("unpic");

const path = process.argv[2];
const client = new Client({ domain: HOST });
const signing = new Client({ domain: HOST, secureURLToken: "a-token-of-imgix" });
const candidates = (srcset) => srcset.split(",\n").map((each) => each.split(" "));
const source = `https://${HOST}${path}`;

console.log(JSON.stringify({
    urls: [
        client.buildURL(path),
        client.buildURL(path, { w: 120, h: 80, fit: "crop", crop: "top,left", auto: "format,compress", q: 60 }),
        client.buildURL(path, { w: 50, fit: "max", fm: "webp", bg: "fff", "fp-x": 0.25 }),
        signing.buildURL(path, { w: 60, auto: "format" }),
    ],
    fluid: candidates(client.buildSrcSet(path, { auto: "format" })),
    fixed: candidates(signing.buildSrcSet(path, { h: 10 })),
    unpic: [
        { width: 100, height: 50 },
        { width: 100, format: "webp", quality: 70 },
        { height: 40, auto: "format", fit: "crop", crop: "entropy", width: 40 },
    ].map((operations) => transformUrl({ url: source, provider: "imgix", ...operations })),
}));
