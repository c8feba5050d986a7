import { createHash, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { assertSupported, compileProcessor } from "@reprise/engine";
import { definitionOf, type ProcessorDefinition } from "@reprise/processor";
import { RepriseError } from "@reprise/schema";
import { type BundleOptions, bundleProcessor } from "./bundle-processor.ts";
import { findNondeterminism, type Nondeterminism } from "./find-nondeterminism.ts";

/** A processor version, frozen. */
export interface Artifact {
  readonly processor: string;
  readonly version: number;
  /** SHA-256 of the bundle, hex. */
  readonly sha256: string;
  readonly bytes: number;
  /** `<artifacts>/<processor>@<version>/<sha256>`; holds `processor.mjs` and `manifest.json`. */
  readonly folder: string;
  readonly definition: ProcessorDefinition;
  /** False when exactly this was there already. */
  readonly isNew: boolean;
  /** Places in its sources that a replay would give other results for. */
  readonly warnings: readonly Nondeterminism[];
}

/**
 * Bundles a processor file and freezes it under its name, version and hash. Half-written ones never appear under their name.
 * @throws RepriseError INVALID_ARGUMENT (no such file), INVALID_DECLARATION, NOT_SUPPORTED, VERSION_FROZEN (the version is there with another hash)
 */
export async function buildArtifact(file: string, artifactFolder: string, options: BundleOptions = {}): Promise<Artifact> {
  if (!existsSync(file)) throw new RepriseError("INVALID_ARGUMENT", `There is no file '${file}'.`, { details: { argument: "file", file } });
  const { contents: bundle, sources } = await bundleProcessor(file, options);
  const warnings = await findNondeterminism(sources);
  const sha256 = createHash("sha256").update(bundle).digest("hex");
  const root = resolve(artifactFolder);
  const partial = join(root, `.partial-${process.pid}-${randomUUID().slice(0, 8)}`);
  await mkdir(partial, { recursive: true });
  try {
    const path = join(partial, "processor.mjs");
    await writeFile(path, bundle);
    const definition = await loadDefinition(path, file);
    await writeFile(join(partial, "manifest.json"), `${JSON.stringify({ sha256, manifest: definition.manifest }, null, 2)}\n`);
    const { name, version } = definition;
    const versionFolder = join(root, `${name}@${version}`);
    const folder = join(versionFolder, sha256);
    const isNew = await freeze({ partial, versionFolder, folder, sha256, name, version });
    return { processor: name, version, sha256, bytes: bundle.length, folder, definition, isNew, warnings };
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

/**
 * Takes back what `buildArtifact` has just put there, when it was not deployed after all.
 */
export async function removeArtifact(artifact: Artifact): Promise<void> {
  await rm(artifact.folder, { recursive: true, force: true });
}

/**
 * The parameters as a deployment has them: checked by the processor's own schema, defaults filled in.
 * @throws RepriseError INVALID_ARGUMENT naming the parameter
 */
export function completeParams(
  definition: ProcessorDefinition,
  params: { readonly [name: string]: unknown },
): { readonly [name: string]: unknown } {
  const names = Object.keys(params);
  if (definition.params === undefined) {
    if (names.length === 0) return {};
    throw new RepriseError("INVALID_ARGUMENT", `'${definition.name}' takes no parameters, but was given ${names.join(", ")}.`, {
      details: { argument: "params" },
    });
  }
  try {
    return compileProcessor(definition, params).params as { readonly [name: string]: unknown };
  } catch (cause) {
    if (RepriseError.is(cause) && cause.code !== "SCHEMA_INVALID") throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new RepriseError("INVALID_ARGUMENT", `The parameters of '${definition.name}' are wrong: ${why}`, {
      cause,
      details: { argument: "params", processor: definition.name },
    });
  }
}

async function loadDefinition(path: string, file: string): Promise<ProcessorDefinition> {
  let module: { readonly default?: unknown };
  try {
    module = (await import(pathToFileURL(path).href)) as typeof module;
  } catch (cause) {
    // An error of ours is about the declaration and says so already.
    if (RepriseError.is(cause)) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new RepriseError("INVALID_DECLARATION", `'${file}' can't be loaded: ${why}`, { cause, details: { file } });
  }
  if (module.default === undefined) {
    throw new RepriseError("INVALID_DECLARATION", `'${file}' has no default export: export default processor({...}).handle({...}).`, {
      details: { file },
    });
  }
  const definition = definitionOf(module.default);
  assertSupported(definition);
  if (definition.handlers === undefined) {
    throw new RepriseError(
      "INVALID_DECLARATION",
      `'${file}' declares '${definition.name}' without handlers: export default processor({...}).handle({...}).`,
      { details: { file } },
    );
  }
  return definition;
}

interface Freezing {
  readonly partial: string;
  readonly versionFolder: string;
  readonly folder: string;
  readonly sha256: string;
  readonly name: string;
  readonly version: number;
}

async function freeze({ partial, versionFolder, folder, sha256, name, version }: Freezing): Promise<boolean> {
  const present = existsSync(versionFolder) ? await readdir(versionFolder) : [];
  if (present.includes(sha256)) return false;
  const [other] = present.filter((hash) => /^[0-9a-f]{64}$/.test(hash));
  if (other !== undefined) {
    throw new RepriseError(
      "VERSION_FROZEN",
      `Version ${version} of '${name}' was built before with other code: ${other.slice(0, 12)}, now ${sha256.slice(0, 12)}.`,
      {
        details: { processor: name, version, built: other, artifact: sha256 },
      },
    );
  }
  await mkdir(versionFolder, { recursive: true });
  await rename(partial, folder);
  return true;
}
