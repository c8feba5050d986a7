import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { DeploymentSpec } from "@reprise/engine";
import { definitionOf, type ProcessorDefinition } from "@reprise/processor";
import { RepriseError } from "@reprise/schema";

/**
 * Imports a frozen artifact: exactly the bytes that were deployed.
 * @throws RepriseError INVALID_ARGUMENT when the file is missing, VERSION_FROZEN when its bytes are others, ABI_UNSUPPORTED
 */
export async function loadArtifact(artifactFolder: string, spec: DeploymentSpec): Promise<ProcessorDefinition> {
  const file = join(artifactFolder, `${spec.processor}@${spec.version}`, spec.artifact, "processor.mjs");
  const details = { deployment: spec.id, file };
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (cause) {
    throw new RepriseError("INVALID_ARGUMENT", `the artifact of ${spec.id} is not in ${artifactFolder}: ${file} can't be read`, {
      cause,
      details,
    });
  }
  const hash = createHash("sha256").update(bytes).digest("hex");
  if (hash !== spec.artifact)
    throw new RepriseError("VERSION_FROZEN", `${file} is not what was deployed as ${spec.id}: its hash is ${hash}`, { details });
  const module = (await import(pathToFileURL(file).href)) as { readonly default?: unknown };
  const definition = definitionOf(module.default);
  if (definition.name !== spec.processor || definition.version !== spec.version) {
    throw new RepriseError(
      "DECLARATION_CONFLICT",
      `${file} holds ${definition.name} v${definition.version}, not ${spec.processor} v${spec.version}`,
      { details },
    );
  }
  return definition;
}
