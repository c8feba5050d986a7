import { RepriseError, schemaRuntime } from "@reprise/schema";
import type { TopDefinition } from "@reprise/processor";
import { latin1 } from "../../internal/latin1.ts";
import { fitting, isNull, type KeptValue, schemaCodec, type ValueCodec } from "./kept-value.ts";
import { Versioned } from "./versioned.ts";

/** The sum of each item, by its encoded bytes, one character per byte. */
type Sums = Versioned<Map<string, number>, string, number>;

interface Ranked {
  readonly item: unknown;
  readonly by: number;
}

/** The items with the largest sums; the sums of all of them are kept. `what` names the window and the field. */
export function top({ n, schema }: TopDefinition, what: string): KeptValue {
  const runtime = schemaRuntime(schema);
  const add = (kept: Sums | undefined, id: string, by: number): Sums =>
    kept === undefined ? new Versioned(new Map([[id, by]])) : kept.with(id, (kept.cells.get(id) ?? 0) + by);
  return {
    initial: undefined,
    add(kept, given) {
      if (given === null) return kept;
      const { item, by } = (given ?? {}) as Partial<Ranked>;
      if (typeof by !== "number" || !Number.isFinite(by))
        throw new RepriseError(
          "SCHEMA_INVALID",
          `${what}: by must be a finite number, got ${typeof by === "number" ? String(by) : typeof by}`,
        );
      if (isNull(item, runtime)) return kept;
      return add(kept as Sums | undefined, latin1(fitting(`${what}: item`, () => runtime.encode(item))), by);
    },
    merge(into, from) {
      if (from === undefined) return into;
      const copy = new Map((from as Sums).cells);
      // A copy: as a version of the other one, each use of one would walk over all that was added to the other.
      if (into === undefined) return new Versioned(copy);
      let merged = into as Sums;
      for (const [id, by] of copy) merged = add(merged, id, by);
      return merged;
    },
    result(kept) {
      if (kept === undefined) return [];
      return largest((kept as Sums).cells, n).map(
        ([id, by]): Ranked => ({ item: runtime.decode(Buffer.from(id, "latin1"), 0, id.length), by }),
      );
    },
    codec: {
      write(kept, out) {
        const sums = kept === undefined ? new Map<string, number>() : (kept as Sums).cells;
        out.varint(sums.size);
        for (const [id, by] of sums) {
          out.latin1(id);
          out.double(by);
        }
      },
      read(from) {
        const sums = new Map<string, number>();
        for (let left = from.varint(); left > 0; left--) sums.set(from.latin1(), from.double());
        return sums.size === 0 ? undefined : new Versioned(sums);
      },
    },
    resultCodec: rankedCodec(schemaCodec(runtime)),
  };
}

/** By sum, the largest first; of equal sums the smaller item. One walk, with what is best so far in order. */
function largest(sums: ReadonlyMap<string, number>, n: number): [string, number][] {
  const best: [string, number][] = [];
  for (const [id, by] of sums) {
    if (best.length === n && !precedes(id, by, best[n - 1] as [string, number])) continue;
    let low = 0;
    let high = best.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (precedes(id, by, best[middle] as [string, number])) high = middle;
      else low = middle + 1;
    }
    best.splice(low, 0, [id, by]);
    if (best.length > n) best.pop();
  }
  return best;
}

/** Sums that overflowed to both sides are NaN, and last. */
function precedes(id: string, by: number, [otherId, otherBy]: [string, number]): boolean {
  if (by === otherBy || (Number.isNaN(by) && Number.isNaN(otherBy))) return id < otherId;
  return by > otherBy || Number.isNaN(otherBy);
}

const rankedCodec = (items: ValueCodec): ValueCodec => ({
  write(list, out) {
    out.varint((list as Ranked[]).length);
    for (const { item, by } of list as Ranked[]) {
      items.write(item, out);
      out.double(by);
    }
  },
  read: (from) => Array.from({ length: from.varint() }, (): Ranked => ({ item: items.read(from), by: from.double() })),
});
