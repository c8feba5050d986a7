import { partitionForKey } from "@reprise/engine";
import type { TestRecord } from "./lab.ts";
import type { ReadRecord } from "./read-topic.ts";

export interface Payment {
  readonly account: string;
  readonly seq: number;
  readonly cents: number;
}

/** The same payments for the same numbers, over `accounts` accounts. */
export function payments(count: number, { from = 0, accounts = 50 } = {}): Payment[] {
  return Array.from({ length: count }, (_, i) => {
    const seq = from + i;
    const noise = Math.imul(seq + 1, 0x9e3779b1) >>> 0;
    return { account: `account-${noise % accounts}`, seq, cents: (noise >>> 8) % 1000 };
  });
}

export const asRecords = (all: readonly Payment[]): TestRecord[] =>
  all.map(({ account, seq, cents }) => ({ key: account, value: { seq, cents } }));

/** What the processor `totals` must have written, per partition, in order: a model of a few lines that knows nothing of the engine. */
export function expectedTotals(all: readonly Payment[], partitions = 4): string[][] {
  const sums = new Map<string, { count: number; cents: number }>();
  const outputs: string[][] = Array.from({ length: partitions }, () => []);
  for (const { account, seq, cents } of all) {
    const before = sums.get(account) ?? { count: 0, cents: 0 };
    const now = { count: before.count + 1, cents: before.cents + cents };
    sums.set(account, now);
    outputs[partitionForKey(Buffer.from(account), partitions)]?.push(`${account} ${JSON.stringify({ seq, ...now })}`);
  }
  return outputs;
}

export const asText = (outputs: readonly (readonly ReadRecord[])[]): string[][] =>
  outputs.map((records) => records.map(({ key, value }) => `${key} ${value}`));
