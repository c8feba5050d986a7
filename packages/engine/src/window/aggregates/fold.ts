import { RepriseError, schemaRuntime } from "@reprise/schema";
import type { FoldDefinition } from "@reprise/processor";
import { fitting, type KeptValue, schemaCodec } from "./kept-value.ts";

/** An own fold. Its functions may change their totals in place: they get copies. `what` names the window and the field. */
export function ownFold({ schema, initial, add, merge }: FoldDefinition, what: string): KeptValue {
  const runtime = schemaRuntime(schema);
  // Here, where the record is to blame: at the commit it would be nobody's fault.
  const checked = (total: unknown): unknown => {
    fitting(what, () => runtime.check(total));
    return total;
  };
  const codec = schemaCodec(runtime);
  return {
    initial,
    add: (kept, given) => checked(add(runtime.clone(kept), given)),
    merge(into, from) {
      if (merge === undefined) throw new RepriseError("INVALID_DECLARATION", `${what}: this fold has no merge`);
      return checked(merge(runtime.clone(into), runtime.clone(from)));
    },
    result: (kept) => kept,
    codec,
    resultCodec: codec,
  };
}
