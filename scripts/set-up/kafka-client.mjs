// The native Kafka client: its prebuilt binary comes from GitHub, not from npm. Where that is not reachable it is compiled, which needs
// a compiler and libraries. Which of the two is found out before npm starts, because npm would wait long and say little.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ask, has, root } from "./steps.mjs";
import { installPackages } from "./system-packages.mjs";

const name = "@confluentinc/kafka-javascript";
const folder = join(root, "node_modules", ...name.split("/"));
const probeTimeoutMs = 4_000;

export function addonExists() {
  return existsSync(join(folder, "build", "Release", "confluent-kafka-javascript.node"));
}

/** In a process of its own: an addon for another Node version may not fail politely. */
export async function addonLoads() {
  if (!addonExists()) return false;
  return (await ask(process.execPath, ["-e", `require(${JSON.stringify(folder)})`])).code === 0;
}

function prebuiltAddress() {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  const version = lock.packages[`node_modules/${name}`].version;
  const libc =
    process.platform !== "linux" ? "unknown" : process.report.getReport().header.glibcVersionRuntime === undefined ? "musl" : "glibc";
  const file = `confluent-kafka-javascript-v${version}-node-v${process.versions.modules}-${process.platform}-${libc}-${process.arch}.tar.gz`;
  return `https://github.com/confluentinc/confluent-kafka-javascript/releases/download/v${version}/${file}`;
}

async function prebuiltReachable() {
  try {
    const answer = await fetch(prebuiltAddress(), { method: "HEAD", signal: AbortSignal.timeout(probeTimeoutMs) });
    return answer.ok;
  } catch {
    return false;
  }
}

/** A header of each library, and the Debian package that has it. */
const libraries = [
  ["openssl/ssl.h", "libssl-dev"],
  ["curl/curl.h", "libcurl4-openssl-dev"],
  ["zlib.h", "zlib1g-dev"],
  ["zstd.h", "libzstd-dev"],
  ["sasl/sasl.h", "libsasl2-dev"],
  ["lz4.h", "liblz4-dev"],
];

async function headerExists(header) {
  return (await ask("g++", ["-E", "-x", "c++", "-"], { input: `#include <${header}>\n` })).code === 0;
}

async function missingPackages() {
  const missing = [];
  for (const tool of ["g++", "make", "python3"]) if (!(await has(tool))) missing.push(tool);
  // Without a preprocessor nobody can say which headers are there.
  const present = missing.includes("g++")
    ? libraries.map(() => false)
    : await Promise.all(libraries.map(([header]) => headerExists(header)));
  return [...missing, ...libraries.filter((_, i) => !present[i]).map(([, debian]) => debian)];
}

/**
 * Decides how the client gets its addon, installs what compiling needs, and says which environment npm has to run in.
 * @returns {Promise<{ note: string, environment: Record<string, string> }>}
 */
export async function prepareKafkaClient() {
  if (await prebuiltReachable()) return { note: "its prebuilt binary is reachable", environment: {} };
  const environment = {
    CKJS_LINKING: "dynamic",
    // Or npm would try the download, and wait for it.
    npm_config_build_from_source: name,
    ...nodeHeaders(),
  };
  const missing = await missingPackages();
  if (missing.length === 0) return { note: "its prebuilt binary is not reachable; it will be compiled (about 90 s)", environment };
  const installed = await installPackages(
    "The Kafka client must be compiled here, because its prebuilt binary (github.com) is not reachable, and something for that is missing",
    missing.map((each) => [each]),
    "a C++ compiler, make, python3, and the development files of OpenSSL, curl, zlib, zstd, Cyrus SASL and lz4",
  );
  return { note: `it will be compiled (about 90 s); installed ${installed}`, environment };
}

/** Where this Node brings its headers, they need not be fetched. */
function nodeHeaders() {
  const prefix = dirname(dirname(process.execPath));
  return existsSync(join(prefix, "include", "node", "node_api.h")) ? { npm_config_nodedir: prefix } : {};
}
