// Loads a TypeScript file of this repository on the sources of its packages, without a build: what runs is what stands in the tree,
// never an old dist. Node 20 can't read TypeScript by itself.
import { createHash } from "node:crypto";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** Our own packages are bundled from source; everything else is left to Node, since native code can't be bundled. */
const externals = {
  name: "externals",
  setup({ onResolve }) {
    onResolve({ filter: /^[^./]/ }, ({ path, kind }) =>
      kind === "entry-point" || /^(@reprise\/|reprise($|\/))/.test(path) ? undefined : { path, external: true },
    );
  },
};

/** @param {string} file relative to the root, or absolute @returns {Promise<any>} its exports */
export async function loadSource(file) {
  const built = await build({
    absWorkingDir: root,
    entryPoints: [resolve(root, file)],
    bundle: true,
    write: false,
    platform: "node",
    format: "esm",
    target: "node20",
    conditions: ["source"],
    sourcemap: "inline",
    plugins: [externals],
  });
  const code = built.outputFiles[0].text;
  // Below the root, so that Node finds node_modules; named by content, so that concurrent runs agree and nothing piles up per run.
  const folder = join(root, ".reprise", "run");
  const target = join(folder, `${createHash("sha256").update(code).digest("hex").slice(0, 16)}.mjs`);
  await mkdir(folder, { recursive: true });
  await writeFile(`${target}.${process.pid}`, code);
  await rename(`${target}.${process.pid}`, target);
  return await import(pathToFileURL(target).href);
}
