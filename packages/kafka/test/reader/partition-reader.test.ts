import { RepriseError } from "@reprise/schema";
import { beforeAll, describe, expect, test } from "vitest";
import { prepareCodecs } from "../../src/reader/internal/decompress.ts";
import type { AbortedTransaction } from "../../src/reader/internal/fetch-response.ts";
import { PartitionReader } from "../../src/reader/internal/partition-reader.ts";
import { defaultTimestamp, encodeBatch, type MadeBatch, marker, numbered, zstdOfRawBlocks } from "./encode-batch.ts";
import { type ReadRecord, recordsOf } from "./read-records.ts";

beforeAll(prepareCodecs);

interface Given {
  readonly from?: number;
  readonly aborted?: AbortedTransaction[];
  readonly lastStableOffset?: number;
  readonly maxBatchBytes?: number;
}

function readerOf(batches: readonly Buffer[], given: Given = {}): PartitionReader {
  const reader = new PartitionReader("orders", 3, given.from ?? 0, given.maxBatchBytes ?? 1_000_000);
  reader.accept({
    topicId: "",
    partition: 3,
    errorCode: 0,
    highWatermark: 1_000,
    lastStableOffset: given.lastStableOffset ?? 1_000,
    logStartOffset: 0,
    aborted: given.aborted ?? [],
    divergingEndOffset: undefined,
    records: Buffer.concat(batches),
  });
  return reader;
}

function takeAll(reader: PartitionReader): { records: ReadRecord[]; nextOffsets: number[] } {
  const records: ReadRecord[] = [];
  const nextOffsets: number[] = [];
  for (let columns = reader.take(); columns !== undefined; columns = reader.take()) {
    records.push(...recordsOf(columns));
    nextOffsets.push(columns.nextOffset);
  }
  return { records, nextOffsets };
}

const offsetsOf = (reader: PartitionReader): number[] => takeAll(reader).records.map((record) => record.offset);

function refusal(reader: PartitionReader): RepriseError {
  try {
    reader.take();
  } catch (error) {
    if (RepriseError.is(error)) return error;
    throw error;
  }
  throw new Error("The batch was not refused.");
}

describe("records", () => {
  test.each(["none", "gzip", "snappy", "xerial", "lz4", "zstd"] as const)("of a batch with codec %s come out as they went in", (codec) => {
    const records = [
      { key: "a", value: "1", timestamp: defaultTimestamp + 5, headers: [["trace", "42"] as const, ["ümlaut", "ß"] as const] },
      { key: null, value: "no key", timestamp: defaultTimestamp - 7_000_000_000 },
      { key: "no value", value: null },
      { key: "", value: "" },
      { key: "large", value: "x".repeat(100_000), timestamp: defaultTimestamp + 2 ** 40, headers: [["null", null] as const] },
    ];
    const { records: read, nextOffsets } = takeAll(readerOf([encodeBatch({ baseOffset: 100, records, codec })]));
    expect(read).toEqual([
      { offset: 100, timestamp: defaultTimestamp + 5, key: "a", value: "1", headers: { trace: "42", ümlaut: "ß" } },
      { offset: 101, timestamp: defaultTimestamp - 7_000_000_000, key: null, value: "no key", headers: {} },
      { offset: 102, timestamp: defaultTimestamp, key: "no value", value: null, headers: {} },
      { offset: 103, timestamp: defaultTimestamp, key: "", value: "", headers: {} },
      { offset: 104, timestamp: defaultTimestamp + 2 ** 40, key: "large", value: "x".repeat(100_000), headers: { null: "" } },
    ]);
    expect(nextOffsets).toEqual([105]);
  });

  test("of a topic with the broker's time all have the batch's largest timestamp", () => {
    const batch = encodeBatch({ baseOffset: 0, records: [{ value: "a", timestamp: 5 }, { value: "b" }], logAppendTime: 1_800_000_000_000 });
    expect(takeAll(readerOf([batch])).records.map((record) => record.timestamp)).toEqual([1_800_000_000_000, 1_800_000_000_000]);
  });

  test("below the offset that was asked for are cut from the middle of a batch", () => {
    const batches = [encodeBatch({ baseOffset: 0, records: numbered(0, 5) }), encodeBatch({ baseOffset: 5, records: numbered(5, 5) })];
    const { records, nextOffsets } = takeAll(readerOf(batches, { from: 3 }));
    expect(records.map((record) => record.value)).toEqual(["v3", "v4", "v5", "v6", "v7", "v8", "v9"]);
    expect(nextOffsets).toEqual([5, 10]);
  });

  test("keep their offsets where compaction left holes, and the position passes over holes at a batch's end", () => {
    const batch = encodeBatch({
      baseOffset: 10,
      records: [
        { value: "a", offsetDelta: 2 },
        { value: "b", offsetDelta: 7 },
      ],
      lastOffsetDelta: 19,
    });
    const { records, nextOffsets } = takeAll(readerOf([batch], { from: 10 }));
    expect(records.map((record) => record.offset)).toEqual([12, 17]);
    expect(nextOffsets).toEqual([30]);
  });

  test("of several batches are handed out batch by batch, over buffers that are not reused", () => {
    const reader = readerOf([
      encodeBatch({ baseOffset: 0, records: numbered(0, 2), codec: "lz4" }),
      encodeBatch({ baseOffset: 2, records: numbered(2, 2), codec: "lz4" }),
    ]);
    const first = reader.take();
    const second = reader.take();
    expect(first && recordsOf(first).map((record) => record.value)).toEqual(["v0", "v1"]);
    expect(second && recordsOf(second).map((record) => record.value)).toEqual(["v2", "v3"]);
    expect(reader.bufferedBytes).toBe(0);
  });
});

describe("batches without records", () => {
  test("that compaction emptied move the position", () => {
    const empty = encodeBatch({ baseOffset: 0, records: [], lastOffsetDelta: 9 });
    expect(takeAll(readerOf([empty]))).toEqual({ records: [], nextOffsets: [10] });
  });

  test("behind records are swallowed with them", () => {
    const batches = [
      encodeBatch({ baseOffset: 0, records: numbered(0, 2), producerId: 7, transactional: true }),
      marker(2, 7, "commit"),
      encodeBatch({ baseOffset: 3, records: [], lastOffsetDelta: 6 }),
      encodeBatch({ baseOffset: 10, records: numbered(10, 1) }),
    ];
    const { records, nextOffsets } = takeAll(readerOf(batches));
    expect(records.map((record) => record.offset)).toEqual([0, 1, 10]);
    expect(nextOffsets).toEqual([10, 11]);
  });
});

describe("transactions", () => {
  const of = (baseOffset: number, n: number, producerId: number, more: Partial<MadeBatch> = {}) =>
    encodeBatch({ baseOffset, records: numbered(baseOffset, n), producerId, transactional: true, ...more });

  test("that were aborted are left out, interleaved with committed ones of other producers", () => {
    const batches = [
      of(0, 2, 1),
      of(2, 2, 2),
      of(4, 1, 1),
      marker(5, 1, "abort"),
      of(6, 1, 2),
      of(7, 1, 1),
      marker(8, 2, "commit"),
      marker(9, 1, "commit"),
    ];
    const reader = readerOf(batches, { aborted: [{ producerId: 1, firstOffset: 0 }] });
    expect(takeAll(reader)).toMatchObject({
      records: [{ offset: 2 }, { offset: 3 }, { offset: 6 }, { offset: 7 }],
      nextOffsets: [6, 7, 10],
    });
  });

  test("of one producer that were aborted twice are both left out, in whatever order the broker lists them", () => {
    const batches = [
      of(0, 1, 1),
      marker(1, 1, "abort"),
      of(2, 1, 1),
      marker(3, 1, "commit"),
      of(4, 1, 1),
      marker(5, 1, "abort"),
      of(6, 1, 1),
      marker(7, 1, "commit"),
    ];
    const aborted = [
      { producerId: 1, firstOffset: 4 },
      { producerId: 1, firstOffset: 0 },
    ];
    expect(offsetsOf(readerOf(batches, { aborted }))).toEqual([2, 6]);
  });

  test("that began before the fetch are left out from their first batch in it", () => {
    const batches = [of(50, 2, 4), marker(52, 4, "abort"), of(53, 1, 4), marker(54, 4, "commit")];
    expect(offsetsOf(readerOf(batches, { from: 50, aborted: [{ producerId: 4, firstOffset: 17 }] }))).toEqual([53]);
  });

  test("do not touch records of the same producer outside of a transaction", () => {
    const batches = [of(0, 1, 1), encodeBatch({ baseOffset: 1, records: numbered(1, 1), producerId: 1 }), marker(2, 1, "abort")];
    expect(offsetsOf(readerOf(batches, { aborted: [{ producerId: 1, firstOffset: 0 }] }))).toEqual([1]);
  });

  test("that are all aborted give columns without records and a position behind them", () => {
    const reader = readerOf([of(0, 3, 1), marker(3, 1, "abort")], { aborted: [{ producerId: 1, firstOffset: 0 }] });
    expect(takeAll(reader)).toEqual({ records: [], nextOffsets: [4] });
  });
});

describe("a fetch", () => {
  test("that ends inside of a batch is read up to there, and goes on with that batch", () => {
    const whole = encodeBatch({ baseOffset: 0, records: numbered(0, 3) });
    const next = encodeBatch({ baseOffset: 3, records: numbered(3, 3) });
    for (const bytes of [1, 11, 12, 60, 61, next.length - 1]) {
      const reader = readerOf([whole, next.subarray(0, bytes)]);
      expect(reader.fetchOffset).toBe(3);
      expect(offsetsOf(reader)).toEqual([0, 1, 2]);
    }
  });

  test("tells the epoch of its last batch to the next one", () => {
    const reader = readerOf([
      encodeBatch({ baseOffset: 0, records: numbered(0, 1), leaderEpoch: 4 }),
      encodeBatch({ baseOffset: 1, records: numbered(1, 1), leaderEpoch: 6 }),
    ]);
    expect(reader.lastEpoch).toBe(6);
  });
});

describe("a batch that can't be read", () => {
  test("because one bit changed anywhere in its content is refused by its checksum, after the batches before it", () => {
    const good = encodeBatch({ baseOffset: 0, records: numbered(0, 2) });
    const bad = encodeBatch({ baseOffset: 2, records: numbered(2, 2) });
    for (const at of [21, 27, 61, bad.length - 1]) {
      const broken = Buffer.from(bad);
      broken[at] = (broken[at] as number) ^ 0x10;
      // A batch that says it reaches elsewhere moves the fetch; its content is refused all the same.
      const reader = readerOf([good, broken]);
      expect(reader.take()).toMatchObject({ count: 2, nextOffset: 2 });
      expect(refusal(reader)).toMatchObject({ code: "BATCH_CORRUPT", details: { topic: "orders", partition: 3, offset: 2 } });
      expect(refusal(reader)).toMatchObject({ code: "BATCH_CORRUPT" });
    }
  });

  test.each(["gzip", "lz4", "snappy", "xerial"] as const)(
    "because %s makes more of it than the bound is refused without holding it",
    (codec) => {
      const bomb = encodeBatch({ baseOffset: 7, records: [{ value: Buffer.alloc(3_000_000) }], codec });
      const error = refusal(readerOf([bomb], { from: 7 }));
      expect(error).toMatchObject({ code: "BATCH_CORRUPT", details: { offset: 7 } });
      expect(error.message).toMatch(/bytes when decompressed, and the bound is 1000000/);
      expect(takeAll(readerOf([bomb], { from: 7, maxBatchBytes: 3_100_000 })).records).toHaveLength(1);
    },
  );

  test("because its Zstandard blocks repeat a byte beyond the bound is refused", () => {
    const block = Buffer.from([0, 0, 0, 0]);
    block.writeUIntLE((131_072 << 3) | 2, 0, 3);
    const last = Buffer.from(block);
    last[0] = (last[0] as number) | 1;
    const payload = Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58]), ...Array.from({ length: 99 }, () => block), last]);
    const error = refusal(readerOf([encodeBatch({ baseOffset: 0, records: [], lastOffsetDelta: 0, codec: "zstd", payload, count: 1 })]));
    expect(error.message).toMatch(/bytes when decompressed, and the bound is 1000000/);
  });

  test.each(["gzip", "snappy", "xerial", "lz4", "zstd"] as const)("because its %s data is cut or garbage is refused", (codec) => {
    const whole = encodeBatch({ baseOffset: 0, records: numbered(0, 200), codec }).subarray(61);
    for (const payload of [whole.subarray(0, whole.length - 9), Buffer.from("not compressed at all"), Buffer.alloc(0)]) {
      const batch = encodeBatch({ baseOffset: 0, records: [], lastOffsetDelta: 199, count: 200, codec, payload });
      expect(refusal(readerOf([batch])), `${payload.length} bytes`).toMatchObject({ code: "BATCH_CORRUPT" });
    }
  });

  test("because its records do not lie within it is refused", () => {
    const payload = encodeBatch({ baseOffset: 0, records: numbered(0, 3) }).subarray(61);
    const cut = encodeBatch({ baseOffset: 0, records: [], lastOffsetDelta: 2, count: 3, payload: payload.subarray(0, payload.length - 2) });
    const tooMany = encodeBatch({ baseOffset: 0, records: [], lastOffsetDelta: 2, count: 2_000_000_000, payload });
    for (const batch of [cut, tooMany]) expect(refusal(readerOf([batch]))).toMatchObject({ code: "BATCH_CORRUPT" });
  });

  test("because it is in an older message format is refused by name", () => {
    const error = refusal(readerOf([encodeBatch({ baseOffset: 0, records: numbered(0, 1), magic: 1 })]));
    expect(error.code).toBe("BATCH_CORRUPT");
    expect(error.message).toMatch(/message format v1/);
  });

  test("because it lies before what was asked for is refused instead of being asked for for ever", () => {
    expect(refusal(readerOf([encodeBatch({ baseOffset: 0, records: numbered(0, 2) })], { from: 20 }))).toMatchObject({
      code: "BATCH_CORRUPT",
      details: { offset: 20 },
    });
  });
});

test("a Zstandard frame of many raw blocks is decompressed whole", () => {
  const records = numbered(0, 5_000);
  const payload = zstdOfRawBlocks(encodeBatch({ baseOffset: 0, records }).subarray(61), 500);
  const batch = encodeBatch({ baseOffset: 0, records: [], lastOffsetDelta: 4_999, count: 5_000, codec: "zstd", payload });
  expect(takeAll(readerOf([batch])).records.map((record) => record.value)).toEqual(records.map((record) => record.value));
});
