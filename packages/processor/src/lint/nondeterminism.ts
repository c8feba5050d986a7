/** A node of an ESTree, as far as this looks at it. */
export interface EsNode {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** Properties that say something else each time, by the global that they are of. `*`: all of them. */
const globals: { readonly [name: string]: { readonly [property: string]: string } } = {
  Date: { now: "clock" },
  Math: { random: "random" },
  performance: { now: "clock", timeOrigin: "clock" },
  crypto: { randomUUID: "random", getRandomValues: "random" },
  process: { hrtime: "clock", uptime: "clock", env: "machine", cpuUsage: "machine", memoryUsage: "machine" },
};

const functions: { readonly [name: string]: string } = {
  setTimeout: "timer",
  setInterval: "timer",
  setImmediate: "timer",
  queueMicrotask: "timer",
  fetch: "network",
  WebSocket: "network",
  XMLHttpRequest: "network",
};

const modules: { readonly [name: string]: string } = {
  child_process: "machine",
  cluster: "machine",
  crypto: "random",
  dgram: "network",
  dns: "network",
  fs: "machine",
  http: "network",
  http2: "network",
  https: "network",
  net: "network",
  os: "machine",
  perf_hooks: "clock",
  timers: "timer",
  tls: "network",
  worker_threads: "machine",
};

/** Of node:crypto these only; hashing is a function of its input. */
const randomOfCrypto = /^(random|getRandom|generate|webcrypto$|default$|\*$)/;

const advice: { readonly [kind: string]: string } = {
  clock: "a replay gives another time. Take ctx.timestamp, or declare a clock.",
  random: "a replay gives other values. Take ctx.random() or ctx.uuid(), which are the same in each.",
  timer: "handlers are synchronous, and nothing fires by the wall clock. Declare a timer.",
  network: "a replay would ask again, and get another answer. That belongs into an effect.",
  machine: "it is not the same on every machine. Declare a parameter.",
};

/**
 * What makes a processor's results differ from one replay to the next, at one node of its syntax tree; undefined: nothing.
 * @param isGlobal whether an identifier is the global of that name, and nothing that the code declares
 */
export function nondeterminismAt(node: EsNode, isGlobal: (identifier: EsNode) => boolean): string | undefined {
  switch (node.type) {
    case "MemberExpression":
      return ofMember(node, isGlobal);
    case "NewExpression":
    case "CallExpression":
      return ofCall(node, isGlobal);
    case "ImportDeclaration":
      return ofImport(node);
    default:
      return undefined;
  }
}

function ofMember(node: EsNode, isGlobal: (identifier: EsNode) => boolean): string | undefined {
  const object = globalName(node["object"] as EsNode, isGlobal);
  const property = propertyName(node);
  if (object === undefined || property === undefined || !Object.hasOwn(globals, object)) return undefined;
  return said(`${object}.${property}`, globals[object]?.[property]);
}

function ofCall(node: EsNode, isGlobal: (identifier: EsNode) => boolean): string | undefined {
  const name = globalName(node["callee"] as EsNode, isGlobal);
  if (name === undefined) return undefined;
  // `Date()` is the time as text, whatever it is given.
  if (name === "Date" && (node.type === "CallExpression" || (node["arguments"] as unknown[]).length === 0))
    return said(node.type === "CallExpression" ? "Date()" : "new Date()", "clock");
  return Object.hasOwn(functions, name) ? said(`${name}()`, functions[name]) : undefined;
}

function ofImport(node: EsNode): string | undefined {
  if (node["importKind"] === "type") return undefined;
  const source = String((node["source"] as EsNode)["value"]);
  const [name = ""] = source.replace(/^node:/, "").split("/");
  if (!Object.hasOwn(modules, name)) return undefined;
  if (name === "crypto" && !(node["specifiers"] as EsNode[]).some((specifier) => randomOfCrypto.test(importedName(specifier))))
    return undefined;
  return said(`import from "${source}"`, modules[name]);
}

function importedName(specifier: EsNode): string {
  if (specifier.type !== "ImportSpecifier") return specifier.type === "ImportDefaultSpecifier" ? "default" : "*";
  return String((specifier["imported"] as EsNode)["name"] ?? (specifier["imported"] as EsNode)["value"]);
}

/** The name of a global, also as a property of globalThis. */
function globalName(node: EsNode, isGlobal: (identifier: EsNode) => boolean): string | undefined {
  if (node.type === "Identifier") return isGlobal(node) ? String(node["name"]) : undefined;
  if (node.type !== "MemberExpression") return undefined;
  const object = node["object"] as EsNode;
  return object.type === "Identifier" && object["name"] === "globalThis" && isGlobal(object) ? propertyName(node) : undefined;
}

function propertyName(node: EsNode): string | undefined {
  const property = node["property"] as EsNode;
  if (node["computed"] !== true) return property.type === "Identifier" ? String(property["name"]) : undefined;
  return property.type === "Literal" && typeof property["value"] === "string" ? property["value"] : undefined;
}

const said = (what: string, kind: string | undefined): string | undefined =>
  kind === undefined ? undefined : `${what} in a processor: ${advice[kind]}`;
