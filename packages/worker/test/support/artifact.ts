import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { definitionOf, type ProcessorDefinition } from "@reprise/processor";
import type { Names } from "../processors/names.ts";

export interface TestArtifact {
  readonly sha256: string;
  readonly definition: ProcessorDefinition;
}

/** Bundles a processor of ../processors under the names of one test, and freezes it where a worker looks for it. */
export async function makeArtifact(artifactFolder: string, source: string, names: Names): Promise<TestArtifact> {
  const processors = join(import.meta.dirname, "../processors");
  const bundled = await build({
    stdin: {
      contents: `import make from "./${source}.ts"; export default make(${JSON.stringify(names)});`,
      resolveDir: processors,
      loader: "ts",
    },
    bundle: true,
    write: false,
    format: "esm",
    platform: "node",
    target: "node20",
    conditions: ["source"],
    banner: { js: 'import { createRequire as $createRequire } from "node:module"; const require = $createRequire(import.meta.url);' },
  });
  const code = (bundled.outputFiles[0] as { readonly contents: Uint8Array }).contents;
  const sha256 = createHash("sha256").update(code).digest("hex");
  const folder = join(artifactFolder, `${names.processor}@${names.version}`, sha256);
  await mkdir(folder, { recursive: true });
  const file = join(folder, "processor.mjs");
  await writeFile(file, code);
  const module = (await import(pathToFileURL(file).href)) as { readonly default: unknown };
  return { sha256, definition: definitionOf(module.default) };
}
