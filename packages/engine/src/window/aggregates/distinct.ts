import { schemaRuntime } from "@reprise/schema";
import type { DistinctDefinition } from "@reprise/processor";
import { latin1 } from "../../internal/latin1.ts";
import { fitting, isNull, type KeptValue, numberCodec } from "./kept-value.ts";
import { Versioned } from "./versioned.ts";

/** Encoded values, one character per byte, in the order in which they came. */
type Values = Versioned<Map<string, true>, string, true>;

/** How many different values, by their encoded bytes. `what` names the window and the field. */
export function exactDistinct({ schema }: DistinctDefinition, what: string): KeptValue {
  const runtime = schemaRuntime(schema);
  return {
    initial: undefined,
    add(kept, given) {
      if (isNull(given, runtime)) return kept;
      const id = latin1(fitting(what, () => runtime.encode(given)));
      return kept === undefined ? new Versioned(new Map([[id, true as const]])) : (kept as Values).with(id, true);
    },
    merge(into, from) {
      if (from === undefined) return into;
      const copy = new Map((from as Values).cells);
      // A copy: as a version of the other one, each use of one would walk over all that was added to the other.
      if (into === undefined) return new Versioned(copy);
      let merged = into as Values;
      for (const id of copy.keys()) merged = merged.with(id, true);
      return merged;
    },
    result: (kept) => (kept === undefined ? 0 : (kept as Values).cells.size),
    codec: {
      write(kept, out) {
        const ids = kept === undefined ? new Map<string, true>() : (kept as Values).cells;
        out.varint(ids.size);
        for (const id of ids.keys()) out.latin1(id);
      },
      read(from) {
        const ids = new Map<string, true>();
        for (let n = from.varint(); n > 0; n--) ids.set(from.latin1(), true);
        return ids.size === 0 ? undefined : new Versioned(ids);
      },
    },
    resultCodec: numberCodec,
  };
}
