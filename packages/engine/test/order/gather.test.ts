import { describe, expect, test } from "vitest";
import type { CompiledInput } from "../../src/definition/compiled-processor.ts";
import { gather, type GatherState } from "../../src/order/gather.ts";
import { InputCursor } from "../../src/order/input-cursor.ts";
import { RecordBatch } from "../../src/order/record-batch.ts";
import { MemoryReader } from "../support/task-run.ts";
import { Random } from "../support/random.ts";

const inputOf = (topic: string): CompiledInput =>
  ({
    alias: topic,
    topic,
    kind: "topic",
    value: { decode: (bytes: Buffer, start: number, end: number) => bytes.toString("utf8", start, end) },
    time: undefined,
    outOfOrderMs: 0,
    handler: () => undefined,
  }) as unknown as CompiledInput;

const topics = ["a", "b", "c"];

class Merge {
  readonly reader: MemoryReader;
  readonly cursors: InputCursor[];
  readonly state: GatherState = { mergedTimeMs: Number.NEGATIVE_INFINITY, lateMerged: 0, exhausted: false };
  readonly batch: RecordBatch;
  nowMs = Number.MAX_SAFE_INTEGER;

  constructor(reader: MemoryReader, batchRecords: number, names: readonly string[] = topics) {
    this.reader = reader;
    this.cursors = names.map((topic, index) => new InputCursor(index, inputOf(topic), { topic, partition: 0 }, 0, reader));
    this.batch = new RecordBatch(batchRecords);
    for (const topic of names) reader.assign({ topic, partition: 0 }, 0);
  }

  /** One batch: topic@offset in order. */
  take(): string[] {
    gather(this.cursors, this.batch, this.state, 200, () => this.nowMs);
    return Array.from({ length: this.batch.size }, (_, i) => {
      const columns = this.batch.columns[i] as NonNullable<(typeof this.batch.columns)[number]>;
      return `${columns.topic}@${columns.offsets[this.batch.row[i] as number]}`;
    });
  }

  takeAll(): string[] {
    const all: string[] = [];
    for (let some = this.take(); some.length > 0; some = this.take()) all.push(...some);
    return all;
  }
}

const record = (timestampMs: number, offset?: number) => ({
  key: Buffer.from("k"),
  value: Buffer.from("v"),
  timestampMs,
  ...(offset === undefined ? {} : { offset }),
});

function randomLog(seed: number, names: readonly string[] = topics): MemoryReader {
  const random = new Random(seed);
  const reader = new MemoryReader();
  for (const topic of names) {
    let offset = 0;
    let time = 100;
    const count = random.below(80);
    for (let i = 0; i < count; i++) {
      offset += random.pick([1, 1, 1, 2, 5]);
      time += random.pick([-3, 0, 1, 2, 10]);
      reader.append(topic, record(time, offset));
    }
    reader.ends.set(topic, offset + 1 + random.below(4));
  }
  return reader;
}

/** All records by (largest timestamp so far in their partition, input order). */
function expectedOrder(reader: MemoryReader, names: readonly string[] = topics): string[] {
  const all = names.flatMap((topic, input) => {
    let highest = Number.NEGATIVE_INFINITY;
    return (reader.logs.get(topic) ?? []).map(({ offset, timestampMs }) => {
      highest = Math.max(highest, timestampMs);
      return { topic, input, offset, time: highest };
    });
  });
  return all.sort((x, y) => x.time - y.time || x.input - y.input || x.offset - y.offset).map(({ topic, offset }) => `${topic}@${offset}`);
}

describe("merging inputs", () => {
  test.each(Array.from({ length: 25 }, (_, i) => i))("is a function of the log, whatever batches and columns are (seed %i)", (seed) => {
    const reader = randomLog(seed);
    const expected = expectedOrder(reader);
    for (const [batchRecords, columnRecords] of [
      [1, 1],
      [2, 7],
      [64, 1],
      [1000, 1000],
    ] as const) {
      reader.columnRecords = columnRecords;
      const merge = new Merge(reader, batchRecords);
      expect(merge.takeAll()).toEqual(expected);
      expect(merge.state.lateMerged).toBe(0);
      for (const cursor of merge.cursors) expect(cursor.position).toBe(reader.endOf(cursor.input.topic));
    }
  });

  test.each(Array.from({ length: 25 }, (_, i) => i))("is the same when it stops at bounds on the way (seed %i)", (seed) => {
    const reader = randomLog(seed);
    const expected = expectedOrder(reader);
    const random = new Random(seed + 1000);
    // Bounds are vectors that lie on one line of processing, as a publisher's commits do.
    const cuts = Array.from({ length: 6 }, () => random.below(expected.length + 1)).sort((x, y) => x - y);
    const merge = new Merge(reader, random.pick([1, 3, 50]));
    const got: string[] = [];
    for (const cut of cuts) {
      const below = expected.slice(0, cut);
      const vector = new Map(
        topics.map((topic) => [topic, Math.max(0, ...below.filter((r) => r.startsWith(`${topic}@`)).map((r) => Number(r.slice(2)) + 1))]),
      );
      for (const cursor of merge.cursors)
        cursor.bound = Math.max(vector.get(cursor.input.topic) as number, cursor.position === Number.POSITIVE_INFINITY ? 0 : 0);
      got.push(...merge.takeAll());
      expect(got).toEqual(below);
      for (const cursor of merge.cursors)
        if (cursor.position < cursor.bound) expect.fail(`${cursor.input.topic} stands at ${cursor.position}, its bound is ${cursor.bound}`);
    }
    for (const cursor of merge.cursors) cursor.bound = Number.POSITIVE_INFINITY;
    got.push(...merge.takeAll());
    expect(got).toEqual(expected);
    expect(merge.state.lateMerged).toBe(0);
  });

  test("waits while another input has more to come", () => {
    const reader = new MemoryReader();
    reader.append("a", record(10));
    reader.ends.set("b", 5);
    const merge = new Merge(reader, 10, ["a", "b"]);
    // b's log ends at 5, and the reader does not have its records yet.
    reader.take = (
      (take) => (p) =>
        p.topic === "b" ? undefined : take(p)
    )(reader.take.bind(reader));
    expect(merge.take()).toEqual([]);
  });

  test("an input that is drained holds a head back until the head is old enough, and what then comes late is counted", () => {
    const reader = new MemoryReader();
    reader.append("a", record(1000));
    const merge = new Merge(reader, 10, ["a", "b"]);
    merge.nowMs = 1199;
    expect(merge.take()).toEqual([]);
    merge.nowMs = 1200;
    expect(merge.take()).toEqual(["a@0"]);
    reader.append("b", record(900));
    expect(merge.take()).toEqual(["b@0"]);
    expect(merge.state.lateMerged).toBe(1);
  });

  test("an input at its bound holds nobody back", () => {
    const reader = new MemoryReader();
    reader.append("a", record(1000));
    reader.append("b", record(900));
    const merge = new Merge(reader, 10, ["a", "b"]);
    merge.nowMs = 1000;
    (merge.cursors[1] as InputCursor).bound = 0;
    expect(merge.take()).toEqual(["a@0"]);
  });
});

describe("a cursor", () => {
  const one = (reader: MemoryReader): { merge: Merge; cursor: InputCursor } => {
    const merge = new Merge(reader, 10, ["a"]);
    return { merge, cursor: merge.cursors[0] as InputCursor };
  };

  test("stops exactly at a bound inside of a hole, and goes on behind it", () => {
    const reader = new MemoryReader();
    reader.append("a", record(1, 3));
    reader.append("a", record(1, 20));
    const { merge, cursor } = one(reader);
    cursor.bound = 11;
    expect(merge.takeAll()).toEqual(["a@3"]);
    expect([cursor.position, cursor.drained()]).toEqual([11, "bound"]);
    cursor.bound = 20;
    expect(merge.takeAll()).toEqual([]);
    expect(cursor.position).toBe(20);
    cursor.bound = 21;
    expect(merge.takeAll()).toEqual(["a@20"]);
  });

  test("reaches a bound that lies behind markers at the end of the log", () => {
    const reader = new MemoryReader();
    reader.append("a", record(1, 3));
    reader.ends.set("a", 6);
    const { merge, cursor } = one(reader);
    cursor.bound = 6;
    expect(merge.takeAll()).toEqual(["a@3"]);
    expect([cursor.position, cursor.drained()]).toEqual([6, "bound"]);
  });

  test("goes on inside of what it was handed when a bound lay there, though nothing more comes", () => {
    const reader = new MemoryReader();
    reader.append("a", record(1, 3));
    reader.ends.set("a", 9);
    const { merge, cursor } = one(reader);
    for (const bound of [4, 6, 8]) {
      cursor.bound = bound;
      merge.takeAll();
      expect([cursor.position, cursor.drained()]).toEqual([bound, "bound"]);
    }
    cursor.bound = Number.POSITIVE_INFINITY;
    merge.takeAll();
    expect([cursor.position, cursor.drained()]).toEqual([9, "end"]);
  });

  test("does not give out a head again that lies beyond a bound which came later", () => {
    const reader = new MemoryReader();
    reader.append("a", record(1, 3));
    reader.append("b", record(1, 3));
    reader.ends.set("b", 9);
    const merge = new Merge(reader, 1, ["a", "b"]);
    expect(merge.take()).toEqual(["a@3"]);
    const b = merge.cursors[1] as InputCursor;
    b.bound = 0;
    expect(merge.take()).toEqual([]);
    b.bound = 4;
    expect(merge.take()).toEqual(["b@3"]);
  });
});
