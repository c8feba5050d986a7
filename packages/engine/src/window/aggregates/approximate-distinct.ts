import { schemaRuntime } from "@reprise/schema";
import type { DistinctDefinition } from "@reprise/processor";
import { addHash, estimate, type HyperLogLog, mergeHashes, readHashes, writeHashes } from "./hyperloglog.ts";
import { fitting, isNull, type KeptValue, numberCodec } from "./kept-value.ts";

/** About how many different values, in at most 4 KiB. `what` names the window and the field. */
export function approximateDistinct({ schema }: DistinctDefinition, what: string): KeptValue {
  const runtime = schemaRuntime(schema);
  return {
    initial: undefined,
    add(kept, given) {
      if (isNull(given, runtime)) return kept;
      return addHash(
        kept as HyperLogLog | undefined,
        fitting(what, () => runtime.encode(given)),
      );
    },
    merge: (into, from) => mergeHashes(into as HyperLogLog | undefined, from as HyperLogLog | undefined),
    result: (kept) => estimate(kept as HyperLogLog | undefined),
    codec: { write: (kept, out) => writeHashes(kept as HyperLogLog | undefined, out), read: readHashes },
    resultCodec: numberCodec,
  };
}
