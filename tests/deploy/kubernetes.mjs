// Validates Kubernetes objects against the schemas of kubernetes-models. Standard input: a JSON array of objects; standard output: for
// each, what is wrong with it. Those schemas pass over members that they do not know, but they read each one that they do:
// what was never read is a member that Kubernetes does not have.
import { createRequire } from "node:module";
import { text } from "node:stream/consumers";

const require = createRequire(`${process.argv[2]}/`); // the directory of node_modules
const PACKAGES = { "monitoring.coreos.com": "@kubernetes-models/prometheus-operator" };

function modelOf(object) {
  const [group, version] = object.apiVersion.includes("/") ? object.apiVersion.split("/") : ["", object.apiVersion];
  const path = PACKAGES[group] ? [PACKAGES[group], group, version] : ["kubernetes-models", group, version];
  return require(path.filter(Boolean).join("/"))[object.kind];
}

function watched(value, path, unread) {
  if (typeof value !== "object" || value === null) return value;
  const copy = Array.isArray(value) ? [] : {};
  for (const [key, member] of Object.entries(value)) {
    const at = `${path}.${key}`;
    unread.add(at);
    copy[key] = watched(member, at, unread);
  }
  return new Proxy(copy, {
    get(target, key) {
      unread.delete(`${path}.${String(key)}`);
      return target[key];
    },
  });
}

function complaintsOf(object) {
  const Model = modelOf(object);
  if (Model === undefined) return [`there is no ${object.apiVersion} ${object.kind}`];
  const unread = new Set();
  try {
    Model.prototype.validate.call(watched(object, "", unread));
  } catch (error) {
    return [error.message];
  }
  return [...unread].map((path) => `${path.slice(1)} is unknown`);
}

console.log(JSON.stringify(JSON.parse(await text(process.stdin)).map(complaintsOf)));
