// node scripts/run-source.mjs <file.ts> [arguments]: runs a TypeScript file of this repository. For scripts, and for tests that need a
// process of their own.
import { resolve } from "node:path";
import { loadSource } from "./load-source.mjs";

const [file, ...rest] = process.argv.slice(2);
if (file === undefined) {
  console.error("usage: node scripts/run-source.mjs <file.ts> [arguments]");
  process.exit(2);
}
process.argv.splice(1, process.argv.length - 1, resolve(file), ...rest);
await loadSource(resolve(file));
