import { testProcessor } from "@reprise/testing";
import { expect, test } from "vitest";
import { LedgerInput } from "./input.ts";
import { LedgerModel } from "./model.ts";
import ledger from "./processors/ledger.ts";

test("the model of the ledger says what the processor says, on a log without faults", () => {
  const t = testProcessor(ledger);
  const input = new LedgerInput(1);
  const logs = { moves: [] as never[], notices: [] as never[] };
  const baseMs = Date.UTC(2024, 0, 1);
  for (let i = 0; i < 20_000; i++) {
    const { topic, key, value } = input.next();
    const timestampMs = baseMs + i * 3;
    (t.when[topic] as (key: string, value: object, at: number) => void)(key, value, timestampMs);
    logs[topic].push({ key, value: JSON.stringify(value), timestampMs, offset: i, headers: {} } as never);
  }
  const model = new LedgerModel();
  model.run(logs.moves, logs.notices);
  const entries = model.entries.map(({ key, value, timestampMs }) => ({
    key,
    value: JSON.parse(value as string) as object,
    timestamp: timestampMs,
  }));
  expect(t.then.entries()).toEqual(entries);
  expect(model.entries.length).toBeGreaterThan(25_000);
  for (const what of ["move", "noted", "closed", "quiet", "span"])
    expect(entries.filter(({ value }) => (value as { what: string }).what === what).length, what).toBeGreaterThan(100);
  for (const [key, account] of model.accounts)
    expect(t.stateOf(key).balance.get(), key).toEqual({ count: account.count, cents: account.cents });
});
