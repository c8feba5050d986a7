import { schemaRuntime } from "@reprise/schema";
import type { FirstDefinition, LastDefinition } from "@reprise/processor";
import { fitting, isNull, type KeptValue, nullable, schemaCodec } from "./kept-value.ts";

interface Timed {
  readonly timeMs: number;
  readonly value: unknown;
}

/** The value with the smallest or the largest event time. null for none. `what` names the window and the field. */
export function firstOrLast({ type, schema }: FirstDefinition | LastDefinition, what: string): KeptValue {
  const runtime = schemaRuntime(schema);
  const values = schemaCodec(runtime);
  // Of equal times the first to come stays the first, the last to come becomes the last; what is merged in counts as come later.
  const replaces = type === "first" ? (timeMs: number, kept: number) => timeMs < kept : (timeMs: number, kept: number) => timeMs >= kept;
  return {
    initial: null,
    add(kept, given, timeMs) {
      if (isNull(given, runtime)) return kept;
      fitting(what, () => runtime.check(given));
      return kept === null || replaces(timeMs, (kept as Timed).timeMs) ? { timeMs, value: given } : kept;
    },
    merge(into, from) {
      if (from === null) return into;
      return into === null || replaces((from as Timed).timeMs, (into as Timed).timeMs) ? from : into;
    },
    result: (kept) => (kept === null ? null : (kept as Timed).value),
    codec: nullable({
      write(kept, out) {
        out.double((kept as Timed).timeMs);
        values.write((kept as Timed).value, out);
      },
      read: (from): Timed => ({ timeMs: from.double(), value: values.read(from) }),
    }),
    resultCodec: nullable(values),
  };
}
