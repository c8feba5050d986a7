// The packages' builds, when a source is newer than the last one.
import { existsSync, readdirSync, statSync, writeFileSync, readFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { root, run, workFolder } from "./steps.mjs";

const stampFile = join(workFolder, "build");
const skipped = new Set(["node_modules", "dist", ".reprise", ".git", "fixtures"]);

/** A line that changes when a source is added, removed or written. Times and counts: hashing would take longer than the build. */
function sources() {
  let newest = 0;
  let count = 0;
  let built = true;
  const walk = (folder) => {
    const entries = readdirSync(folder, { withFileTypes: true });
    for (const entry of entries) {
      if (entry.isDirectory()) {
        // The packages' tests are not built; those of the whole system, in test/, are.
        const isTest = entry.name === "test" && folder !== root;
        if (!skipped.has(entry.name) && !isTest) walk(join(folder, entry.name));
      } else if (/\.tsx?$|^tsconfig.*\.json$|^package\.json$/.test(entry.name)) {
        count++;
        newest = Math.max(newest, statSync(join(folder, entry.name)).mtimeMs);
      }
    }
    const names = new Set(entries.map((entry) => entry.name));
    if (names.has("tsconfig.json") && names.has("src") && !names.has("dist")) built = false;
  };
  for (const folder of ["packages", "test"]) walk(join(root, folder));
  for (const file of ["tsconfig.json", "tsconfig.base.json"]) newest = Math.max(newest, statSync(join(root, file)).mtimeMs);
  return { line: `${count} files, newest ${newest}`, built };
}

export function buildReady() {
  const { line, built } = sources();
  return built && existsSync(stampFile) && readFileSync(stampFile, "utf8") === line;
}

export async function build() {
  // Looked at before: what is written meanwhile is built the next time.
  const { line } = sources();
  await run("build", [process.execPath, join(root, "node_modules", "typescript", "bin", "tsc"), "-b"], { timeoutMs: 600_000 });
  mkdirSync(workFolder, { recursive: true });
  writeFileSync(stampFile, line);
  return "tsc -b";
}
