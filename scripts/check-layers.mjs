// node scripts/check-layers.mjs [folder]: who imports whom, against DESIGN.md section 2. Ends with 1 when something is wrong.
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { checkLayers } from "./layers/check.mjs";

const root = resolve(process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), ".."));
const { violations, files, packages } = checkLayers(root);
for (const { file, line, rule, message } of violations) console.error(`${file}:${line} [${rule}] ${message}`);
if (packages === 0) {
  console.error(`There are no packages below ${root}.`);
  process.exit(2);
}
console.log(`${files} files of ${packages} packages, ${violations.length} violations`);
process.exitCode = violations.length > 0 ? 1 : 0;
