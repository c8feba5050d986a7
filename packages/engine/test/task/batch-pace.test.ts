import { expect, test } from "vitest";
import { RecordBatch } from "../../src/order/record-batch.ts";
import type { InputCursor } from "../../src/order/input-cursor.ts";
import { BatchPace } from "../../src/task/batch-pace.ts";

/** What a pace settles at when a record takes `msPerRecord`. */
function settle(pace: BatchPace, msPerRecord: number): number {
  for (let step = 0; step < 100; step++) pace.took(pace.records, pace.records * msPerRecord);
  return pace.records;
}

test("quick handlers get whole batches, after a few steps", () => {
  const pace = new BatchPace(2048, 100);
  expect(pace.records).toBe(64);
  for (let step = 0; step < 5; step++) pace.took(pace.records, pace.records * 0.003);
  expect(pace.records).toBe(2048);
});

test.each([0.1, 1, 7, 30])("at %d ms per record a step settles at no more than the longest", (msPerRecord) => {
  const pace = new BatchPace(2048, 100);
  const records = settle(pace, msPerRecord);
  expect(records * msPerRecord).toBeLessThanOrEqual(100);
  expect(records * msPerRecord).toBeGreaterThan(10);
});

test("a record that takes longer than a step may comes alone", () => {
  expect(settle(new BatchPace(2048, 100), 5_000)).toBe(1);
});

test("what was slow and is quick again gets whole batches again; small steps say nothing", () => {
  const pace = new BatchPace(2048, 100);
  settle(pace, 30);
  const slow = pace.records;
  pace.took(0, 0);
  expect(pace.records).toBe(slow);
  expect(settle(pace, 0.003)).toBe(2048);
});

test("without a longest step, batches are whole from the first", () => {
  const pace = new BatchPace(2048, Number.POSITIVE_INFINITY);
  expect(pace.records).toBe(2048);
  expect(settle(pace, 1_000)).toBe(2048);
});

test("a batch takes no further record beyond 8 MiB of keys and values", () => {
  const batch = new RecordBatch(100);
  const mib = 1024 * 1024;
  const cursor = {
    index: 0,
    row: 0,
    timeMs: 0,
    clockMs: 0,
    watermarkMs: Number.NaN,
    columns: { keyLengths: Int32Array.of(10), valueLengths: Int32Array.of(3 * mib) },
  } as unknown as InputCursor;
  while (!batch.full) batch.push(cursor);
  expect(batch.size).toBe(3);
  batch.clear();
  expect(batch).toMatchObject({ size: 0, bytes: 0, full: false });
});
