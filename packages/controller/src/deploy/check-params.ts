import { avro, RepriseError, schemaRuntime } from "@reprise/schema";
import type { ManifestView } from "./manifest-view.ts";

/**
 * Whether parameters fit what the manifest says of them. Parameters whose schema is not ours (a Standard Schema) can only be checked by
 * the artifact itself: the command line does so before it deploys.
 * @throws RepriseError INVALID_ARGUMENT naming the parameter
 */
export function checkParams(manifest: ManifestView, params: { readonly [name: string]: unknown }): void {
  const names = Object.keys(params);
  if (manifest.params === undefined) {
    if (names.length === 0) return;
    throw new RepriseError("INVALID_ARGUMENT", `'${manifest.name}' takes no parameters, but was given ${names.join(", ")}.`, {
      details: { argument: "params", processor: manifest.name },
    });
  }
  const { avro: schema } = manifest.params;
  // Bytes and big numbers are text in JSON: only the artifact's own schema reads them.
  if (schema === null || schema === undefined || JSON.stringify(schema).includes('"bytes"')) return;
  try {
    schemaRuntime(avro({ avro: schema })).check(params);
  } catch (cause) {
    throw new RepriseError(
      "INVALID_ARGUMENT",
      `The parameters of '${manifest.name}' are wrong: ${cause instanceof Error ? cause.message : String(cause)}`,
      {
        cause,
        details: { argument: "params", processor: manifest.name },
      },
    );
  }
}
