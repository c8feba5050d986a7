import type { SchemaRuntime } from "@reprise/schema";

/** One value of a table's key and the event time from which it held; undefined: deleted then. */
export interface TableVersion {
  readonly fromMs: number;
  readonly value: unknown;
}

/** What is known of one key of a table. Immutable, like all row values. */
export interface TableVersions {
  /**
   * Ascending by time; of equal times the one that came last. Only what can still be asked for is kept: the newest version at or before the horizon,
   * and everything after it.
   */
  readonly versions: readonly TableVersion[];
  /** There was something before them that nobody should ask for any more. */
  readonly forgotten: boolean;
}

/** The value that held at `timeMs`. For who asks for what is forgotten, a record behind the watermark, the oldest that is known. */
export function versionAt({ versions, forgotten }: TableVersions, timeMs: number): unknown {
  let found = forgotten ? versions[0]?.value : undefined;
  for (const { fromMs, value } of versions) {
    if (fromMs > timeMs) break;
    found = value;
  }
  return found;
}

/** With one more version, without what nobody asks for at or after `horizonMs`. Undefined: nothing is left to know. */
export function withVersion(before: TableVersions | undefined, version: TableVersion, horizonMs: number): TableVersions | undefined {
  const all = [...(before?.versions ?? [])];
  let at = all.length;
  while (at > 0 && (all[at - 1] as TableVersion).fromMs > version.fromMs) at--;
  if (at > 0 && (all[at - 1] as TableVersion).fromMs === version.fromMs) all[at - 1] = version;
  // What comes before the oldest, when more was before that: nobody should ask for it either.
  else if (at > 0 || before?.forgotten !== true) all.splice(at, 0, version);
  return pruned({ versions: all, forgotten: before?.forgotten === true }, horizonMs);
}

/** Without what nobody asks for at or after `horizonMs`; the same object when that is nothing. Undefined: nothing is left to know. */
export function pruned(before: TableVersions, horizonMs: number): TableVersions | undefined {
  const { versions } = before;
  let first = 0;
  while (first + 1 < versions.length && (versions[first + 1] as TableVersion).fromMs <= horizonMs) first++;
  // A deletion that nothing can come before any more says what nothing says too.
  const oldest = versions[first] as TableVersion;
  const nothing = oldest.value === undefined && oldest.fromMs <= horizonMs;
  if (nothing) first++;
  if (first === 0) return before;
  if (first === versions.length) return undefined;
  return { versions: versions.slice(first), forgotten: !nothing };
}

/** The horizon at which something of it can go; Infinity: none does before another version comes. */
export function nextPruningMs({ versions: [oldest, second] }: TableVersions): number {
  if (oldest?.value === undefined) return oldest?.fromMs ?? Number.POSITIVE_INFINITY;
  return second?.fromMs ?? Number.POSITIVE_INFINITY;
}

const format = 1;
const headBytes = 6;

/** [format][forgotten][count]{[fromMs][length of the value + 1, 0: deleted][value]}. */
export function encodeVersions({ versions, forgotten }: TableVersions, schema: SchemaRuntime<unknown>): Buffer {
  const values = versions.map(({ value }) => (value === undefined ? undefined : schema.encode(value)));
  const out = Buffer.allocUnsafe(headBytes + values.reduce((sum, value) => sum + 12 + (value?.length ?? 0), 0));
  out[0] = format;
  out[1] = forgotten ? 1 : 0;
  let p = out.writeUInt32LE(versions.length, 2);
  versions.forEach(({ fromMs }, i) => {
    const value = values[i];
    p = out.writeDoubleLE(fromMs, p);
    p = out.writeUInt32LE(value === undefined ? 0 : value.length + 1, p);
    if (value !== undefined) {
      out.set(value, p);
      p += value.length;
    }
  });
  return out;
}

/** @throws RangeError for bytes that are none */
export function decodeVersions(bytes: Buffer, schema: SchemaRuntime<unknown>): TableVersions {
  if (bytes[0] !== format) throw new RangeError(`a table row has format ${String(bytes[0])}, this release reads ${format}`);
  const count = bytes.readUInt32LE(2);
  let p = headBytes;
  const versions = Array.from({ length: count }, () => {
    const fromMs = bytes.readDoubleLE(p);
    const length = bytes.readUInt32LE(p + 8);
    p += 12;
    if (length === 0) return { fromMs, value: undefined };
    const value = schema.decode(bytes, p, p + length - 1);
    p += length - 1;
    return { fromMs, value };
  });
  return { versions, forgotten: bytes[1] === 1 };
}
