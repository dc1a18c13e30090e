// age-encryption of npm as a filter: node typage.mjs encrypt RECIPIENT | decrypt IDENTITY
import { buffer } from "node:stream/consumers";
import { Decrypter, Encrypter } from "../../.cache/npm/node_modules/age-encryption/dist/index.js";

const [direction, key] = process.argv.slice(2);
const age = direction === "encrypt" ? new Encrypter() : new Decrypter();
if (direction === "encrypt") age.addRecipient(key);
else age.addIdentity(key);
const input = new Uint8Array(await buffer(process.stdin));
process.stdout.write(await age[direction](input));
