import { partitionForKey } from "@reprise/engine";
import { Random } from "../../differential/random.ts";
import type { InputRecord } from "./system.ts";

const minuteMs = 60_000;
const disorderMs = 30_000;
const baseMs = Date.UTC(2024, 0, 1);
const accounts = 1013;
const note = "x".repeat(120);

/** What the windows must say, worked out from the records alone: by result number, see `numberOf`. */
export interface WindowInput {
  readonly records: readonly InputRecord[];
  readonly counts: Int32Array;
  readonly cents: Int32Array;
}

/** Result i is that of account i mod 1013 in minute ⌊i / 1013⌋. */
export function numberOf(account: string, startMs: number): number {
  return Math.round((startMs - baseMs) / minuteMs) * accounts + Number(account.slice(1));
}

/**
 * One to three payments for each of `results` pairs of account and minute, in two inputs, one of which is far larger per record, so that the other is
 * read ahead of it, and silent for a third of the time. Out of order by less than 30 s. After the last, one record per partition closes what is open.
 */
export function windowInput(results: number, partitions: number, seed: number): WindowInput {
  const random = new Random(seed);
  const counts = new Int32Array(results);
  const cents = new Int32Array(results);
  const arriving: { readonly arrivesMs: number; readonly record: InputRecord }[] = [];
  for (let i = 0; i < results; i++) {
    const minute = Math.floor(i / accounts);
    const key = `a${i % accounts}`;
    const silent = Math.floor(minute / 20) % 3 === 1;
    for (let left = 1 + random.below(3); left > 0; left--) {
      const at = baseMs + minute * minuteMs + random.below(minuteMs);
      const amount = random.below(1000) - 200;
      (counts[i] as number)++;
      (cents[i] as number) += amount;
      const value = { at, cents: amount };
      const record =
        silent || random.chance(0.5)
          ? { topic: "cards", key, value, timestampMs: at }
          : { topic: "transfers", key, value: { ...value, note }, timestampMs: at };
      arriving.push({ arrivesMs: at + random.below(disorderMs), record });
    }
  }
  arriving.sort((a, b) => a.arrivesMs - b.arrivesMs);
  const records = arriving.map(({ record }) => record);
  const lastMs = baseMs + (Math.ceil(results / accounts) + 10) * minuteMs;
  for (const key of oneKeyPerPartition(partitions))
    records.push({ topic: "cards", key, value: { at: lastMs, cents: 0 }, timestampMs: lastMs });
  return { records, counts, cents };
}

function oneKeyPerPartition(partitions: number): string[] {
  const found = new Map<number, string>();
  for (let i = 0; found.size < partitions; i++) {
    const partition = partitionForKey(Buffer.from(`end-${i}`), partitions);
    if (!found.has(partition)) found.set(partition, `end-${i}`);
  }
  return [...found.values()];
}
