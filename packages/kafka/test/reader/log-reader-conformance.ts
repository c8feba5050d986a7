import type { LogReader, TopicPartition } from "@reprise/engine";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Admin, createAdmin } from "../../src/admin/admin.ts";
import { unique } from "../support/test-cluster.ts";
import { defaultTimestamp, encodeBatch } from "./encode-batch.ts";
import { type Codec, LogWriter, writeBatch, type Written } from "./log-writer.ts";
import { errorOf, type ReadRecord, readUntil } from "./read-records.ts";

export interface ConformanceSubject {
  readonly name: string;
  create(bootstrap: string): Promise<LogReader>;
}

const codecs: readonly Codec[] = ["none", "gzip", "snappy", "lz4", "zstd"];

const numbered = (n: number, text: string, bytes = 20): Written[] =>
  Array.from({ length: n }, (_, i) => ({ key: `${text}-${i}`, value: `${i} ${text}`.padEnd(bytes, "."), timestamp: defaultTimestamp + i }));

/**
 * What a `LogReader` has to do, over topics of a real broker. Each case writes once and reads with every subject, so that they are compared
 * with what was written and thereby with each other, record by record.
 */
export function logReaderConformance(subjects: readonly ConformanceSubject[], bootstrapOf: () => string): void {
  let admin: Admin;
  let bootstrap: string;
  const readers: LogReader[] = [];

  beforeAll(() => {
    bootstrap = bootstrapOf();
    admin = createAdmin({ bootstrap });
  });

  afterAll(async () => {
    await Promise.all(readers.map((reader) => reader.close()));
    await admin.close();
  });

  async function newTopic(partitions = 1, config: { readonly [name: string]: string } = {}): Promise<string> {
    const name = unique("reader");
    await admin.createTopics([{ name, partitions, config }]);
    return name;
  }

  async function open(subject: ConformanceSubject): Promise<LogReader> {
    const reader = await subject.create(bootstrap);
    readers.push(reader);
    return reader;
  }

  /** Reads [from, until) with every subject, and the end that it knows when it is there. */
  async function expectAll(partition: TopicPartition, from: number, until: number, expected: readonly ReadRecord[]): Promise<void> {
    for (const subject of subjects) {
      const reader = await open(subject);
      reader.assign(partition, from);
      const { records, nextOffset } = await readUntil(reader, partition, until);
      expect(records.length, subject.name).toBe(expected.length);
      // Record by record: a difference of thousands of records is not printed whole.
      records.forEach((record, i) => expect(record, `${subject.name}, record ${i}`).toEqual(expected[i]));
      expect(nextOffset, subject.name).toBe(until);
      expect(reader.take(partition), subject.name).toBeUndefined();
      await untilTrue(
        reader,
        () => reader.end(partition)?.lastStableOffset === until,
        `${subject.name} knows that ${until} is the last stable offset`,
      );
      await reader.close();
    }
  }

  describe("every record arrives as it was written", () => {
    test.each(codecs)("with codec %s: keys, values, nulls, headers, timestamps", async (codec) => {
      const topic = await newTopic(1, { "max.message.bytes": "8000000" });
      const writer = await LogWriter.open(bootstrap, topic, { codec });
      const expected = await writer.write(0, 0, [
        {
          key: "key",
          value: "value",
          timestamp: defaultTimestamp - 86_400_000,
          headers: [
            ["trace", "1"],
            ["other", "zwölf"],
          ],
        },
        { key: null, value: "no key" },
        { key: "no value", value: null },
        { key: null, value: null, headers: [["only", "headers"]] },
        { key: "binary", value: Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join("") },
        { key: "large", value: "0123456789abcdef".repeat(90_000) },
        ...numbered(5_000, codec, 100),
      ]);
      await writer.close();
      await expectAll({ topic, partition: 0 }, 0, expected.length, expected);
    });

    test("from the middle of a batch, at its ends, and at the end of the log", async () => {
      const topic = await newTopic();
      const writer = await LogWriter.open(bootstrap, topic, { codec: "lz4" });
      const expected = [...(await writer.write(0, 0, numbered(500, "a"))), ...(await writer.write(0, 500, numbered(500, "b")))];
      await writer.close();
      for (const from of [1, 499, 500, 777, 999]) await expectAll({ topic, partition: 0 }, from, 1_000, expected.slice(from));
    });

    test("in batches that are larger than what is fetched at once", async () => {
      const topic = await newTopic(1, { "max.message.bytes": "8000000" });
      const writer = await LogWriter.open(bootstrap, topic);
      const expected = [];
      for (let i = 0; i < 4; i++) expected.push(...(await writer.write(0, i, [{ key: `${i}`, value: String(i).repeat(6_000_000) }])));
      await writer.close();
      await expectAll({ topic, partition: 0 }, 0, 4, expected);
    });

    test("of a topic whose timestamps are the broker's", async () => {
      const topic = await newTopic(1, { "message.timestamp.type": "LogAppendTime" });
      const writer = await LogWriter.open(bootstrap, topic, { codec: "gzip" });
      const before = Date.now();
      const written = await writer.write(0, 0, numbered(10, "broker time"));
      await writer.close();
      const all = await Promise.all(
        subjects.map(async (subject) => {
          const reader = await open(subject);
          reader.assign({ topic, partition: 0 }, 0);
          return (await readUntil(reader, { topic, partition: 0 }, 10)).records;
        }),
      );
      for (const records of all) {
        expect(records).toEqual(all[0]);
        expect(records.map((record) => record.value)).toEqual(written.map((record) => record.value));
        for (const { timestamp } of records) expect(timestamp).toBeGreaterThanOrEqual(before - 1_000);
      }
    });

    test("from many partitions at once", async () => {
      const topic = await newTopic(24);
      const writer = await LogWriter.open(bootstrap, topic, { codec: "lz4" });
      const expected: ReadRecord[][] = [];
      for (let p = 0; p < 24; p++) expected.push(await writer.write(p, 0, numbered(200 + p, `p${p}`)));
      await writer.close();
      for (const subject of subjects) {
        const reader = await open(subject);
        for (let partition = 0; partition < 24; partition++) reader.assign({ topic, partition }, partition);
        for (let partition = 0; partition < 24; partition++) {
          const { records } = await readUntil(reader, { topic, partition }, 200 + partition);
          expect(records, subject.name).toEqual(expected[partition]?.slice(partition));
        }
        await reader.close();
      }
    });
  });

  describe("of transactions", () => {
    test("only committed ones are read, also when several producers interleave, and the position passes over the markers", async () => {
      const topic = await newTopic();
      const [a, b, c] = (await Promise.all(
        [1, 2, 3].map((n) => LogWriter.open(bootstrap, topic, { codec: "lz4", transactionalId: unique(`tx${n}`) })),
      )) as [LogWriter, LogWriter, LogWriter];
      const plain = await LogWriter.open(bootstrap, topic);
      const expected: ReadRecord[] = [];
      let at = 0;
      const write = async (writer: LogWriter, n: number, text: string, kept: boolean): Promise<void> => {
        const found = await writer.write(0, at, numbered(n, text));
        if (kept) expected.push(...found);
        at += n;
      };
      for (let round = 0; round < 6; round++) {
        await Promise.all([a.begin(), b.begin(), c.begin()]);
        await write(a, 3, `a${round}`, round % 2 === 0);
        await write(b, 2, `b${round}`, round % 3 === 0);
        await write(plain, 1, `plain${round}`, true);
        await write(a, 1, `a${round}+`, round % 2 === 0);
        await write(c, 4, `c${round}`, false);
        await (round % 2 === 0 ? a.commit() : a.abort());
        await c.abort();
        at += 2;
        await untilHighWatermark(topic, at);
        await write(b, 1, `b${round}+`, round % 3 === 0);
        await (round % 3 === 0 ? b.commit() : b.abort());
        at += 1;
        await untilHighWatermark(topic, at);
      }
      await Promise.all([a, b, c, plain].map((writer) => writer.close()));
      await expectAll({ topic, partition: 0 }, 0, at, expected);
      for (const from of [2, 9, 40])
        await expectAll(
          { topic, partition: 0 },
          from,
          at,
          expected.filter((record) => record.offset >= from),
        );
    });

    // A transaction is decided before its marker is in the log.
    async function untilHighWatermark(topic: string, offset: number): Promise<void> {
      const deadline = performance.now() + 10_000;
      while ((await admin.endOffsets(topic, "high-watermark"))[0] !== offset) {
        if (performance.now() > deadline) throw new Error(`The log of ${topic} did not get to ${offset}.`);
      }
    }

    test("an open one holds back what comes behind it until it is decided", async () => {
      const topic = await newTopic();
      const partition = { topic, partition: 0 };
      const open1 = await LogWriter.open(bootstrap, topic, { transactionalId: unique("open") });
      const plain = await LogWriter.open(bootstrap, topic);
      const head = await plain.write(0, 0, numbered(3, "head"));
      await open1.begin();
      const held = await open1.write(0, 3, numbered(2, "held"));
      const tail = await plain.write(0, 5, numbered(4, "tail"));
      const opened = await Promise.all(subjects.map((subject) => open(subject)));
      for (const [i, reader] of opened.entries()) {
        reader.assign(partition, 0);
        expect(await readUntil(reader, partition, 3)).toEqual({ records: head, nextOffset: 3 });
        await untilTrue(reader, () => reader.end(partition)?.highWatermark === 9, `${subjects[i]?.name} sees the high watermark`);
        expect(reader.end(partition)).toEqual({ logStartOffset: 0, lastStableOffset: 3, highWatermark: 9 });
        expect(reader.take(partition)).toBeUndefined();
      }
      await open1.commit();
      for (const reader of opened) {
        expect(await readUntil(reader, partition, 10)).toEqual({ records: [...held, ...tail], nextOffset: 10 });
        await reader.close();
      }
      await open1.close();
      await plain.close();
    });

    test("a log that is nothing but aborted records moves the position to its end", async () => {
      const topic = await newTopic();
      const writer = await LogWriter.open(bootstrap, topic, { transactionalId: unique("aborted") });
      for (let i = 0; i < 3; i++) {
        await writer.begin();
        await writer.write(0, 0, numbered(5, "gone"));
        await writer.abort();
      }
      await writer.close();
      await expectAll({ topic, partition: 0 }, 0, 18, []);
    });
  });

  describe("a position or a topic that is not there", () => {
    test("because the head of the log was deleted is refused with the offsets", async () => {
      const topic = await newTopic();
      const partition = { topic, partition: 0 };
      const writer = await LogWriter.open(bootstrap, topic);
      const written = await writer.write(0, 0, numbered(100, "x"));
      await writer.close();
      await admin.deleteRecords([{ ...partition, beforeOffset: 40 }]);
      for (const subject of subjects) {
        const reader = await open(subject);
        reader.assign(partition, 12);
        expect(await errorOf(reader, partition), subject.name).toMatchObject({
          code: "INPUT_TRUNCATED",
          details: { topic, partition: 0, offset: 12, logStartOffset: 40, logEndOffset: 100 },
        });
        await reader.close();
      }
      await expectAll(partition, 40, 100, written.slice(40));
    });

    test("because the log never had it is refused", async () => {
      const topic = await newTopic();
      const partition = { topic, partition: 0 };
      for (const subject of subjects) {
        const reader = await open(subject);
        reader.assign(partition, 5);
        expect(await errorOf(reader, partition), subject.name).toMatchObject({
          code: "INPUT_TRUNCATED",
          details: { offset: 5, logEndOffset: 0 },
        });
        await reader.close();
      }
    });

    test("is refused as missing when the topic or the partition does not exist", async () => {
      const topic = await newTopic(2);
      const nowhere = unique("nowhere");
      for (const subject of subjects) {
        const reader = await open(subject);
        for (const partition of [
          { topic: nowhere, partition: 0 },
          { topic, partition: 2 },
        ]) {
          reader.assign(partition, 0);
          expect(await errorOf(reader, partition), subject.name).toMatchObject({ code: "TOPIC_MISSING", details: partition });
        }
        await reader.close();
      }
    });

    test("is refused when the topic was deleted and created anew", async () => {
      const topic = await newTopic();
      const partition = { topic, partition: 0 };
      const writer = await LogWriter.open(bootstrap, topic);
      await writer.write(0, 0, numbered(10, "old"));
      await writer.close();
      const opened = await Promise.all(subjects.map((subject) => open(subject)));
      for (const reader of opened) {
        reader.assign(partition, 0);
        await readUntil(reader, partition, 10);
        // Everything is known of the old topic before it goes.
        await untilTrue(reader, () => reader.end(partition) !== undefined, "the end is known");
      }
      await admin.deleteTopics([topic]);
      await admin.createTopics([{ name: topic, partitions: 1 }]);
      for (const [i, reader] of opened.entries()) {
        expect(await errorOf(reader, partition), subjects[i]?.name ?? "").toMatchObject({ code: "TOPIC_RECREATED", details: { topic } });
        await reader.close();
      }
    });
  });

  test("compaction's holes are passed over", async () => {
    const topic = await newTopic(1, {
      "cleanup.policy": "compact",
      "segment.ms": "100",
      "min.cleanable.dirty.ratio": "0.01",
      "max.compaction.lag.ms": "100",
      "min.compaction.lag.ms": "0",
    });
    const partition = { topic, partition: 0 };
    const writer = await LogWriter.open(bootstrap, topic, { codec: "lz4" });
    const keys = (round: number): Written[] =>
      Array.from({ length: 50 }, (_, i) => ({ key: `k${i}`, value: `${round}`, timestamp: Date.now() }));
    const written: ReadRecord[] = [];
    for (let round = 0; round < 4; round++) written.push(...(await writer.write(0, round * 50, keys(round))));
    const [subject] = subjects as [ConformanceSubject];
    const watching = await open(subject);
    // Rolls the segment, and is the reason for it to be cleaned. The cleaner looks every 15 s.
    const deadline = performance.now() + 60_000;
    let at = 200;
    let found: ReadRecord[] = [];
    for (;;) {
      written.push(...(await writer.write(0, at, [{ key: "roll", value: `${at}`, timestamp: Date.now() }])));
      at++;
      watching.assign(partition, 0);
      found = (await readUntil(watching, partition, at)).records;
      if (found.length < 150) break;
      if (performance.now() > deadline) throw new Error("The log was not compacted.");
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
    await writer.close();
    const last = new Map(written.map((record) => [record.key, record.offset]));
    for (const each of subjects) {
      const reader = await open(each);
      reader.assign(partition, 0);
      const { records, nextOffset } = await readUntil(reader, partition, at);
      expect(nextOffset).toBe(at);
      for (const record of records) expect(record, each.name).toEqual(written[record.offset]);
      for (const offset of last.values())
        expect(
          records.some((record) => record.offset === offset),
          `${each.name} has offset ${offset}`,
        ).toBe(true);
      expect(records.length).toBeLessThan(200);
      await reader.close();
    }
  });

  test("partitions that are assigned and unassigned while others are read start and stop at their offsets", async () => {
    const topic = await newTopic(3);
    const writer = await LogWriter.open(bootstrap, topic, { codec: "lz4" });
    const expected = await Promise.all([0, 1, 2].map((p) => writer.write(p, 0, numbered(20_000, `p${p}`, 60))));
    await writer.close();
    const [a, b, c] = [0, 1, 2].map((partition) => ({ topic, partition })) as [TopicPartition, TopicPartition, TopicPartition];
    for (const subject of subjects) {
      const reader = await open(subject);
      reader.assign(a, 0);
      const first = await readUntil(reader, a, 1);
      reader.assign(b, 5);
      const partOfB = await readUntil(reader, b, 6);
      reader.unassign(a);
      expect(reader.take(a)).toBeUndefined();
      reader.assign(c, 19_990);
      // The position that is left is the one that is taken up again.
      reader.assign(a, first.nextOffset);
      const rest = await readUntil(reader, a, 20_000);
      expect([...first.records, ...rest.records], subject.name).toEqual(expected[0]);
      const restOfB = await readUntil(reader, b, 20_000);
      expect([...partOfB.records, ...restOfB.records], subject.name).toEqual(expected[1]?.slice(5));
      expect((await readUntil(reader, c, 20_000)).records, subject.name).toEqual(expected[2]?.slice(19_990));
      // Back to an earlier offset.
      reader.assign(c, 3);
      expect((await readUntil(reader, c, 20_000)).records, subject.name).toEqual(expected[2]?.slice(3));
      await reader.close();
    }
  });

  test("a batch made by hand, with empty keys and values and a step back in time, is read the same", async () => {
    const topic = await newTopic();
    const records = [
      { key: "a", value: "1", timestamp: defaultTimestamp + 3_600_000 },
      { key: "b", value: "2", timestamp: defaultTimestamp - 5 },
      { key: "", value: "", headers: [["h", ""] as const] },
    ];
    for (const codec of ["none", "gzip", "snappy", "xerial", "lz4", "zstd"] as const)
      await writeBatch(bootstrap, topic, 0, encodeBatch({ baseOffset: 0, records, codec }));
    const expected = Array.from({ length: 6 }, (_, i) => [
      { offset: i * 3, timestamp: defaultTimestamp + 3_600_000, key: "a", value: "1", headers: {} },
      { offset: i * 3 + 1, timestamp: defaultTimestamp - 5, key: "b", value: "2", headers: {} },
      { offset: i * 3 + 2, timestamp: defaultTimestamp, key: "", value: "", headers: { h: "" } },
    ]).flat();
    await expectAll({ topic, partition: 0 }, 0, 18, expected);
  });

  async function untilTrue(reader: LogReader, condition: () => boolean, what: string): Promise<void> {
    const deadline = performance.now() + 15_000;
    while (!condition()) {
      if (performance.now() > deadline) throw new Error(`It never came to this: ${what}.`);
      await reader.wait(50);
    }
  }
}
