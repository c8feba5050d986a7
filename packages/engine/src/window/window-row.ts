import type { WindowDefinition } from "@reprise/processor";
import type { AggregateLayout } from "./aggregate-layout.ts";
import type { Accumulator, MutableAccumulator } from "./accumulator.ts";

/** What is stored of a window: what it has taken, and what its kind and emission need beside it. */
export interface WindowRow extends Accumulator {
  /** With `throttle`: the watermark at its last emission. */
  readonly emittedAtMs?: number | undefined;
  /** Of sessions: the first and the last contribution. */
  readonly firstMs?: number;
  readonly lastMs?: number;
  /** With `items`: changed since it was emitted. */
  readonly changed?: boolean | undefined;
  /** With `items`: of what it has taken only the count is known; the rest is in its items. */
  readonly stale?: boolean | undefined;
  /** Of sessions with `items`: closed, and its items are gone. */
  readonly released?: boolean | undefined;
}

export interface MutableWindowRow extends MutableAccumulator {
  emittedAtMs?: number | undefined;
  firstMs?: number;
  lastMs?: number;
  changed?: boolean | undefined;
  stale?: boolean | undefined;
  released?: boolean | undefined;
}

/**
 * [f64 watermark at the last emission, NaN: none], with `throttle`; [f64 first][f64 last], of sessions; [u8 1: changed, 2: stale, 4: released], with `items`;
 * the accumulator. Little endian.
 */
export function windowRowCodec(
  definition: WindowDefinition,
  layout: AggregateLayout,
): { encode(row: unknown): Buffer; decode(bytes: Buffer): WindowRow } {
  const throttled = definition.throttleMs !== undefined;
  const session = definition.type === "session";
  const items = definition.items !== undefined;
  if (!throttled && !session && !items) return { encode: (row) => layout.encode(row as WindowRow), decode: layout.decode };
  const headerBytes = (throttled ? 8 : 0) + (session ? 16 : 0) + (items ? 1 : 0);
  return {
    encode(value) {
      const row = value as WindowRow;
      const header = Buffer.allocUnsafe(headerBytes);
      let at = 0;
      if (throttled) at = header.writeDoubleLE(row.emittedAtMs ?? Number.NaN, at);
      if (session) header.writeDoubleLE(row.lastMs as number, header.writeDoubleLE(row.firstMs as number, at));
      if (items) header[headerBytes - 1] = (row.changed === true ? 1 : 0) | (row.stale === true ? 2 : 0) | (row.released === true ? 4 : 0);
      return Buffer.concat([header, layout.encode(row)]);
    },
    decode(bytes) {
      const row: MutableWindowRow = { ...layout.decode(bytes.subarray(headerBytes)) } as MutableWindowRow;
      let at = 0;
      if (throttled) {
        const emittedAtMs = bytes.readDoubleLE(at);
        row.emittedAtMs = Number.isNaN(emittedAtMs) ? undefined : emittedAtMs;
        at += 8;
      }
      if (session) {
        row.firstMs = bytes.readDoubleLE(at);
        row.lastMs = bytes.readDoubleLE(at + 8);
      }
      if (items) {
        const flags = bytes[headerBytes - 1] as number;
        row.changed = (flags & 1) !== 0;
        row.stale = (flags & 2) !== 0;
        if (session) row.released = (flags & 4) !== 0;
      }
      return row;
    },
  };
}
