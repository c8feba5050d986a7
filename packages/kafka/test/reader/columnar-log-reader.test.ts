import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ColumnarLogReader, type ColumnarReaderOptions, type ReaderRetry } from "../../src/reader/columnar-log-reader.ts";
import { prepareCodecs } from "../../src/reader/internal/decompress.ts";
import { encodeBatch, marker, numbered } from "./encode-batch.ts";
import { FakeCluster } from "./fake-cluster.ts";
import { errorOf, readUntil } from "./read-records.ts";

const p0 = { topic: "a", partition: 0 };
const p1 = { topic: "a", partition: 1 };

let cluster: FakeCluster;
let reader: ColumnarLogReader;
let retries: ReaderRetry[];

function open(options: Partial<ColumnarReaderOptions> = {}): ColumnarLogReader {
  reader = new ColumnarLogReader(cluster, { onRetry: (retry) => retries.push(retry), ...options });
  return reader;
}

const batch = (baseOffset: number, n: number, valueBytes = 0) =>
  encodeBatch({
    baseOffset,
    records: valueBytes === 0 ? numbered(baseOffset, n) : Array.from({ length: n }, () => ({ value: Buffer.alloc(valueBytes, 7) })),
  });

const offsetsFrom = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`It never came to this: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

beforeAll(prepareCodecs);

beforeEach(() => {
  cluster = new FakeCluster();
  retries = [];
});

afterEach(async () => {
  await reader.close();
  expect(cluster.closed).toBe(true);
});

describe("reading", () => {
  test("begins at exactly the offset that was assigned and follows the log as it grows", async () => {
    cluster.topic("a");
    cluster.append("a", 0, batch(0, 4), batch(4, 4));
    open().assign(p0, 2);
    const first = await readUntil(reader, p0, 8);
    expect(first.records.map((record) => record.offset)).toEqual(offsetsFrom(2, 8));
    cluster.append("a", 0, batch(8, 2));
    const second = await readUntil(reader, p0, 10);
    expect(second.records.map((record) => record.value)).toEqual(["v8", "v9"]);
    expect(retries).toEqual([]);
  });

  test("gets through batches that are larger than what is asked for", async () => {
    cluster.topic("a", 2);
    for (let i = 0; i < 6; i++) for (const partition of [0, 1]) cluster.append("a", partition, batch(i, 1, 300_000));
    open({ maxBufferedBytesPerPartition: 100_000 }).assign(p0, 0);
    reader.assign(p1, 0);
    expect((await readUntil(reader, p0, 6)).records).toHaveLength(6);
    expect((await readUntil(reader, p1, 6)).records).toHaveLength(6);
  });

  test("knows no end before the first answer, and then what the newest fetch said", async () => {
    cluster.topic("a").partitions[0] = { leader: 1, epoch: 0, logStartOffset: 3, batches: [], lastStableOffset: 5, aborted: [] };
    cluster.append("a", 0, batch(3, 2), batch(5, 5));
    open().assign(p0, 3);
    expect(reader.end(p0)).toBeUndefined();
    await readUntil(reader, p0, 5);
    expect(reader.end(p0)).toEqual({ logStartOffset: 3, lastStableOffset: 5, highWatermark: 10 });
    cluster.append("a", 0, batch(10, 1));
    await until(() => reader.end(p0)?.highWatermark === 11, "the high watermark of an open transaction's records");
    expect(reader.take(p0)).toBeUndefined();
  });

  test("of a partition that was unassigned gives nothing, and assigned anew it starts at the new offset only", async () => {
    cluster.topic("a");
    cluster.append("a", 0, batch(0, 10));
    open().assign(p0, 0);
    await until(() => cluster.fetches.length > 0, "a fetch");
    reader.unassign(p0);
    expect(reader.take(p0)).toBeUndefined();
    expect(reader.end(p0)).toBeUndefined();
    reader.assign(p0, 7);
    reader.assign(p0, 4);
    expect((await readUntil(reader, p0, 10)).records.map((record) => record.offset)).toEqual(offsetsFrom(4, 10));
  });

  test("of a partition that is unassigned while it is fetched makes nothing of the answer", async () => {
    cluster.topic("a", 2);
    cluster.append("a", 1, batch(0, 1));
    cluster.failures.push(6);
    cluster.onFetch = () => reader.unassign(p0);
    open().assign(p0, 0);
    await until(() => cluster.fetches.length === 1, "a fetch");
    reader.assign(p1, 0);
    await readUntil(reader, p1, 1);
    expect(retries).toEqual([]);
  });

  test("of a newly assigned partition does not wait for the long poll of others", async () => {
    cluster.topic("a", 2);
    cluster.append("a", 1, batch(0, 3));
    open({ fetchMaxWaitMs: 100 }).assign(p0, 0);
    await until(() => cluster.fetches.length > 0, "a long poll");
    const before = performance.now();
    reader.assign(p1, 0);
    await readUntil(reader, p1, 3);
    expect(performance.now() - before).toBeLessThan(1_000);
  });

  test("refuses an offset that is none", () => {
    open();
    expect(() => reader.assign(p0, -1)).toThrow(/from offset -1/);
    expect(() => reader.assign(p0, 1.5)).toThrow(/from offset 1.5/);
  });
});

describe("back pressure", () => {
  test("asks for nothing of a full partition, while others go on, and does not spin", async () => {
    cluster.topic("a", 2);
    for (let i = 0; i < 40; i++) for (const partition of [0, 1]) cluster.append("a", partition, batch(i, 1, 50_000));
    open({ maxBufferedBytesPerPartition: 200_000 }).assign(p0, 0);
    reader.assign(p1, 0);
    expect((await readUntil(reader, p1, 40)).records).toHaveLength(40);
    const asked = () =>
      cluster.fetches.flatMap(({ request }) => request.topics.flatMap((topic) => topic.partitions.filter((one) => one.partition === 0)));
    expect(Math.max(...asked().map((one) => one.offset))).toBeLessThan(8);
    // Partition 1 is at its end and polled, at most every 20 ms; partition 0 is left alone.
    const [fetches, zeros, since] = [cluster.fetches.length, asked().length, performance.now()];
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(cluster.fetches.length - fetches).toBeLessThan((performance.now() - since) / 20 + 2);
    expect(asked()).toHaveLength(zeros);
    expect((await readUntil(reader, p0, 40)).records).toHaveLength(40);
  });

  test("with every partition full sends nothing at all", async () => {
    cluster.topic("a");
    for (let i = 0; i < 40; i++) cluster.append("a", 0, batch(i, 1, 50_000));
    open({ maxBufferedBytesPerPartition: 200_000 }).assign(p0, 0);
    await until(() => cluster.fetches.length > 0 && reader.end(p0) !== undefined, "a first answer");
    await new Promise((resolve) => setTimeout(resolve, 50));
    const fetches = cluster.fetches.length;
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(cluster.fetches.length).toBe(fetches);
  });

  test("shares the bound of all partitions between many", async () => {
    cluster.topic("a", 2);
    open({ maxBufferedBytes: 400_000, maxBufferedBytesPerPartition: 1_000_000 }).assign(p0, 0);
    reader.assign(p1, 0);
    await until(() => cluster.fetches.length > 0, "a fetch");
    expect(cluster.fetches[0]?.request.topics[0]?.partitions.map((one) => one.maxBytes)).toEqual([200_000, 200_000]);
  });
});

describe("wait", () => {
  test("resolves at once while takes leave something to take, and for what is new", async () => {
    cluster.topic("a");
    cluster.append("a", 0, batch(0, 1), batch(1, 1), batch(2, 1));
    open().assign(p0, 0);
    await reader.wait(10_000);
    for (let offset = 0; offset < 3; offset++) {
      expect(reader.take(p0)?.nextOffset).toBe(offset + 1);
      if (offset < 2) await reader.wait(10_000);
    }
    setTimeout(() => cluster.append("a", 0, batch(3, 1)), 20);
    const before = performance.now();
    while (reader.take(p0) === undefined) await reader.wait(10_000);
    expect(performance.now() - before).toBeLessThan(5_000);
  });

  test("sleeps when all there is was seen and not wanted, so that holding a partition back costs nothing", async () => {
    cluster.topic("a", 2);
    cluster.append("a", 0, batch(0, 1));
    open().assign(p0, 0);
    reader.assign(p1, 0);
    await until(() => reader.end(p0) !== undefined && reader.end(p1) !== undefined, "both ends");
    await reader.wait(0);
    const before = performance.now();
    await reader.wait(150);
    expect(performance.now() - before).toBeGreaterThan(140);
  });

  test("wakes everyone who waits, and at the latest when the reader is closed", async () => {
    cluster.topic("a");
    open();
    const waiting = Promise.all([reader.wait(60_000), reader.wait(60_000)]);
    await reader.close();
    await waiting;
    await reader.wait(60_000);
  });
});

describe("when the leader changes", () => {
  test("to another broker, it is looked up, and the position kept", async () => {
    const topic = cluster.topic("a");
    cluster.append("a", 0, batch(0, 3));
    open().assign(p0, 0);
    await readUntil(reader, p0, 3);
    Object.assign(topic.partitions[0] as object, { leader: 2, epoch: 1 });
    cluster.append("a", 0, batch(3, 3));
    expect((await readUntil(reader, p0, 6)).records.map((record) => record.offset)).toEqual([3, 4, 5]);
    expect(cluster.fetches.at(-1)?.node).toBe(2);
    expect(retries.map((retry) => String(retry.cause))).toContain("Error: a-0: NOT_LEADER_OR_FOLLOWER");
  });

  test("in its epoch only, the fetch carries the new one", async () => {
    const topic = cluster.topic("a");
    cluster.append("a", 0, batch(0, 3));
    open().assign(p0, 0);
    await readUntil(reader, p0, 3);
    Object.assign(topic.partitions[0] as object, { epoch: 5 });
    cluster.append("a", 0, batch(3, 1));
    await readUntil(reader, p0, 4);
    expect(cluster.fetches.at(-1)?.request.topics[0]?.partitions[0]?.leaderEpoch).toBe(5);
  });

  test.each([[5], [6], [9], [56], [74], [75], [78], [-1], [new Error("read ECONNRESET")]])(
    "or answers %s, it is asked again without loss or repetition",
    async (failure) => {
      cluster.topic("a");
      for (let i = 0; i < 50; i++) cluster.append("a", 0, batch(i, 1, 40_000));
      cluster.failures.push(undefined, failure, undefined, failure, failure);
      open({ maxBufferedBytesPerPartition: 100_000 }).assign(p0, 0);
      expect((await readUntil(reader, p0, 50)).records.map((record) => record.offset)).toEqual(offsetsFrom(0, 50));
      expect(retries).toHaveLength(3);
    },
  );

  test("and no broker answers for a while, it goes on when one does", async () => {
    cluster.topic("a");
    cluster.append("a", 0, batch(0, 1));
    cluster.unreachable = true;
    open().assign(p0, 0);
    await until(() => retries.filter((retry) => retry.what === "metadata").length >= 3, "three attempts");
    cluster.unreachable = false;
    expect((await readUntil(reader, p0, 1)).records).toHaveLength(1);
  });

  test("and its log was cut below what was read, the partition is refused", async () => {
    cluster.topic("a");
    cluster.append("a", 0, encodeBatch({ baseOffset: 0, records: numbered(0, 3), leaderEpoch: 4 }));
    open().assign(p0, 0);
    await readUntil(reader, p0, 3);
    await until(
      () => cluster.fetches.at(-1)?.request.topics[0]?.partitions[0]?.lastEpoch === 4,
      "a fetch that tells the epoch of what was read",
    );
    cluster.failures.push("diverging");
    expect(await errorOf(reader, p0)).toMatchObject({
      code: "INPUT_TRUNCATED",
      details: { topic: "a", partition: 0, offset: 3, divergingEndOffset: 1 },
    });
  });
});

describe("a position that the log does not have", () => {
  test("because its head was deleted names both offsets", async () => {
    Object.assign(cluster.topic("a").partitions[0] as object, { logStartOffset: 10 });
    cluster.append("a", 0, batch(10, 5));
    open().assign(p0, 4);
    const error = await errorOf(reader, p0);
    expect(error).toMatchObject({
      code: "INPUT_TRUNCATED",
      details: { topic: "a", partition: 0, offset: 4, logStartOffset: 10, logEndOffset: 15 },
    });
    expect(await errorOf(reader, p0)).toBe(error);
    reader.assign(p0, 10);
    expect((await readUntil(reader, p0, 15)).records).toHaveLength(5);
  });

  test("because it lies behind its end is refused", async () => {
    cluster.topic("a");
    cluster.append("a", 0, batch(0, 5));
    open().assign(p0, 6);
    expect(await errorOf(reader, p0)).toMatchObject({ code: "INPUT_TRUNCATED", details: { offset: 6, logEndOffset: 5 } });
  });

  test("is no error when the leader has it after all", async () => {
    cluster.topic("a");
    cluster.append("a", 0, batch(0, 5));
    cluster.failures.push(1, 1);
    open().assign(p0, 2);
    expect((await readUntil(reader, p0, 5)).records).toHaveLength(3);
  });
});

describe("a topic", () => {
  test("that was created anew is another topic, also when its name and offsets are the same", async () => {
    cluster.topic("a", 2);
    cluster.append("a", 0, batch(0, 3));
    open().assign(p0, 0);
    reader.assign(p1, 0);
    await readUntil(reader, p0, 3);
    cluster.topic("a", 2, "00000000-0000-0000-0000-00000000beef");
    cluster.append("a", 0, batch(0, 9));
    const recreated = { code: "TOPIC_RECREATED", details: { topic: "a", newTopicId: "00000000-0000-0000-0000-00000000beef" } };
    expect(await errorOf(reader, p0)).toMatchObject(recreated);
    expect(await errorOf(reader, p1)).toMatchObject(recreated);
    // Who lets go of the old one may read the new one.
    reader.unassign(p0);
    reader.unassign(p1);
    reader.assign(p0, 0);
    expect((await readUntil(reader, p0, 9)).records).toHaveLength(9);
  });

  test("of which a lagging broker tells once is not taken for another", async () => {
    const topic = cluster.topic("a");
    cluster.append("a", 0, batch(0, 1));
    open().assign(p0, 0);
    await readUntil(reader, p0, 1);
    const { topicId } = topic;
    cluster.failures.push(6);
    topic.topicId = "00000000-0000-0000-0000-00000000dead";
    await until(() => retries.length > 0, "a retry");
    await new Promise((resolve) => setTimeout(resolve, 15));
    topic.topicId = topicId;
    cluster.append("a", 0, batch(1, 1));
    expect((await readUntil(reader, p0, 2)).records).toHaveLength(1);
  });

  test("that does not exist, or not this partition of it, is missing after a while", async () => {
    cluster.topic("a");
    open().assign({ topic: "nowhere", partition: 0 }, 0);
    reader.assign({ topic: "a", partition: 7 }, 0);
    expect(await errorOf(reader, { topic: "nowhere", partition: 0 })).toMatchObject({
      code: "TOPIC_MISSING",
      message: "Topic nowhere does not exist.",
    });
    expect(await errorOf(reader, { topic: "a", partition: 7 })).toMatchObject({
      code: "TOPIC_MISSING",
      details: { topic: "a", partition: 7 },
    });
  });

  test("that comes into being a moment later is read", async () => {
    open().assign(p0, 0);
    await new Promise((resolve) => setTimeout(resolve, 100));
    cluster.topic("a");
    cluster.append("a", 0, batch(0, 2));
    expect((await readUntil(reader, p0, 2)).records).toHaveLength(2);
  });

  test("that may not be read says so", async () => {
    cluster.topic("a");
    cluster.failures.push(29);
    open().assign(p0, 0);
    expect(await errorOf(reader, p0)).toMatchObject({ code: "KAFKA_FAILED", details: { errorCode: 29 } });
  });
});

test("a corrupt batch stops its partition after what came before it, and no other", async () => {
  cluster.topic("a", 2);
  const broken = batch(3, 3);
  broken[broken.length - 1] = (broken.at(-1) as number) ^ 1;
  cluster.append("a", 0, batch(0, 3), broken, batch(6, 3));
  cluster.append("a", 1, batch(0, 2), marker(2, 9, "commit"));
  open().assign(p0, 0);
  reader.assign(p1, 0);
  expect((await readUntil(reader, p0, 3)).records).toHaveLength(3);
  expect(await errorOf(reader, p0)).toMatchObject({ code: "BATCH_CORRUPT", details: { topic: "a", partition: 0, offset: 3 } });
  expect(await readUntil(reader, p1, 3)).toMatchObject({ nextOffset: 3, records: [{ offset: 0 }, { offset: 1 }] });
});
