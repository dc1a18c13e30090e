// Checks an OpenAPI document and what a server said against it. Standard input: {"document": YAML, "values": [{"at": a JSON
// pointer of a schema in the document, "value": ...}]}. Standard output: a list of what is wrong.
import { text } from "node:stream/consumers";
import { Validator } from "../../.cache/npm/node_modules/@seriousme/openapi-schema-validator/index.js";
import { parse } from "../../.cache/npm/node_modules/yaml/dist/index.js";
import Ajv from "../../.cache/npm/node_modules/ajv/dist/2020.js";
import formats from "../../.cache/npm/node_modules/ajv-formats/dist/index.js";

const { document, values } = JSON.parse(await text(process.stdin));
const wrong = [];
const validator = new Validator();
const { valid, errors } = await validator.validate(document);
if (!valid) wrong.push({ document: errors });
try {
  validator.resolveRefs();
} catch (error) {
  wrong.push({ references: String(error) });
}

// What is not described is wrong, too: each object that is referred to is closed, but where another one adds to it.
function close(node) {
  if (node === null || typeof node !== "object") return;
  for (const [name, child] of Object.entries(node)) if (name !== "allOf") close(child);
  if (String(node.$ref).startsWith("#/components/schemas/")) node.unevaluatedProperties = false;
}
const closed = parse(document);
close(closed);
const ajv = new Ajv.default({ strict: false, allErrors: true });
formats.default(ajv);
ajv.addSchema(closed, "document");
for (const { at, value } of values) {
  const check = ajv.compile({ $ref: `document#${at}` });
  if (!check(value)) wrong.push({ at, value, errors: check.errors });
}
process.stdout.write(JSON.stringify(wrong, null, 1));
