import { RepriseError } from "../errors/reprise-error.ts";
import type { SchemaFormat, SchemaRuntime } from "../schema-runtime.ts";
import { fingerprintOf } from "./fingerprint.ts";

/** Of a format that can be declared but not yet read or written: every use is refused by name. */
export function refusedRuntime(format: SchemaFormat, shape: string, instead: string): SchemaRuntime<unknown> {
  const refuse = (): never => {
    throw new RepriseError("NOT_SUPPORTED", `${shape} can't be read or written yet; use ${instead}`, { details: { format, shape } });
  };
  return {
    format,
    kind: "unknown",
    avro: null,
    fingerprint: fingerprintOf(format, shape),
    encode: refuse,
    decode: refuse,
    clone: refuse,
    check: refuse,
    toJson: refuse,
    fromJson: refuse,
  };
}
