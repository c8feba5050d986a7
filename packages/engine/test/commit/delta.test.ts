import {
  commitRecordMaxBytes,
  decodeCommitRecord,
  DeltaAssembler,
  encodeCommitRecord,
  encodeDelta,
  type CommitRecord,
  type TaskMeta,
} from "@reprise/engine";
import { describe, expect, test } from "vitest";
import { Random } from "../support/random.ts";
import { encodeMeta } from "../../src/task/task-meta.ts";
import { newMeta } from "../support/task-run.ts";

const meta = (n: number, digest: string): TaskMeta => ({ ...newMeta(), n, digest, position: { values: n * 10 } });
const digest = (n: number): string => n.toString(16).padStart(32, "0");
const random = new Random(1);

describe("deltas", () => {
  test.each([0, 1, 1000, 512 * 1024 - 1, 512 * 1024, 512 * 1024 + 1, 3 * 512 * 1024, 1_700_000])(
    "of %i bytes of rows come together as they were",
    (bytes) => {
      const rows = random.bytes(bytes);
      const records = encodeDelta(meta(4, digest(4)), meta(5, digest(5)), rows);
      const body = 4 + encodeMeta(meta(5, digest(5))).length + bytes;
      expect(records).toHaveLength(Math.ceil(body / (512 * 1024)));
      for (const record of records) expect(record.length).toBeLessThan(900_000);
      const assembler = new DeltaAssembler();
      const whole = records.map((record) => assembler.add(record));
      expect(whole.slice(0, -1).every((w) => w === undefined)).toBe(true);
      expect(whole.at(-1)).toMatchObject({ n: 5, before: digest(4), after: digest(5), meta: meta(5, digest(5)) });
      expect(whole.at(-1)?.rows.equals(rows)).toBe(true);
    },
  );

  test("have bounded records also when the meta is what is large", () => {
    const many = Object.fromEntries(Array.from({ length: 60_000 }, (_, i) => [`broadcast/${i}`, 1_000_000_000 + i]));
    const after = { ...meta(5, digest(5)), position: many };
    const records = encodeDelta(meta(4, digest(4)), after, Buffer.from("rows"));
    expect(records.length).toBeGreaterThan(2);
    for (const record of records) expect(record.length).toBeLessThan(525_000);
    const assembler = new DeltaAssembler();
    const whole = records.map((record) => assembler.add(record)).at(-1);
    expect([whole?.meta, whole?.rows.toString()]).toEqual([after, "rows"]);
  });

  test("of the format before are read: the meta stands in the header of the last chunk", () => {
    const old = (header: object, rows: string): Buffer => {
      const text = Buffer.from(JSON.stringify({ task: 0, n: 5, m: 2, before: digest(4), after: digest(5), ...header }));
      const head = Buffer.from([1, 0, 0, 0, 0]);
      head.writeUInt32BE(text.length, 1);
      return Buffer.concat([head, text, Buffer.from(rows)]);
    };
    const assembler = new DeltaAssembler();
    expect(assembler.add(old({ i: 0 }, "first "))).toBeUndefined();
    const whole = assembler.add(old({ i: 1, meta: meta(5, digest(5)) }, "second"));
    expect(whole).toMatchObject({ n: 5, before: digest(4), after: digest(5), meta: meta(5, digest(5)) });
    expect(whole?.rows.toString()).toBe("first second");
    expect(() => assembler.add(old({ i: 0, m: 1 }, ""))).toThrow(/does not say what the task was after it/);
  });

  test("come out only whole: a chunk that is missing drops what was begun, and the next delta is found", () => {
    const large = encodeDelta(meta(4, digest(4)), meta(5, digest(5)), random.bytes(1_600_000));
    const next = encodeDelta(meta(5, digest(5)), meta(6, digest(6)), Buffer.from("rows"));
    for (const missing of [0, 1, 2, 3]) {
      const assembler = new DeltaAssembler();
      const got = [...large.filter((_, i) => i !== missing), ...next].map((record) => assembler.add(record)).filter((w) => w !== undefined);
      expect(got.map(({ n }) => n)).toEqual([6]);
    }
  });

  test("one that begins anew is taken from its new beginning", () => {
    const rows = random.bytes(600_000);
    const records = encodeDelta(meta(4, digest(4)), meta(5, digest(5)), rows);
    const assembler = new DeltaAssembler();
    const got = [records[0], ...records].map((record) => assembler.add(record as Buffer)).filter((w) => w !== undefined);
    expect(got).toHaveLength(1);
    expect(got[0]?.rows.equals(rows)).toBe(true);
  });

  test("of another format are refused", () => {
    expect(() => new DeltaAssembler().add(Buffer.from([9, 0, 0, 0, 0]))).toThrow(/format 9/);
    expect(() => new DeltaAssembler().add(Buffer.alloc(0))).toThrow(/format/);
  });
});

describe("commit records", () => {
  const record = (topics: number): CommitRecord => {
    const names = Array.from({ length: topics }, (_, i) => `some-input-topic-of-usual-length-${i}`);
    return {
      format: 1,
      n: 123_456,
      mode: "live",
      position: Object.fromEntries(names.map((t) => [t, Number.MAX_SAFE_INTEGER])),
      digest: digest(1),
      outputs: digest(2),
      streamTimeMs: 1_700_000_000_000,
      publishing: true,
      topicIds: Object.fromEntries(names.map((t) => [t, "0f0f0f0f-0f0f-0f0f-0f0f-0f0f0f0f0f0f"])),
      artifact: "0123456789abcdef",
      control: 99,
    };
  };

  test("come back as they were", () => {
    expect(decodeCommitRecord(encodeCommitRecord(record(3)))).toEqual(record(3));
    expect(decodeCommitRecord(encodeCommitRecord({ ...record(1), streamTimeMs: null }))).toEqual({ ...record(1), streamTimeMs: null });
  });

  test("leave room for the zero that the client adds", () => {
    expect(commitRecordMaxBytes).toBe(4095);
    let topics = 1;
    while (Buffer.byteLength(JSON.stringify(record(topics + 1))) <= 4095) topics++;
    expect(Buffer.byteLength(encodeCommitRecord(record(topics)))).toBeLessThanOrEqual(4095);
    expect(() => encodeCommitRecord(record(topics + 1))).toThrow(/too many inputs/);
  });

  test("of somebody else are none", () => {
    for (const metadata of ["", "null", "7", '"x"', "{", '{"format":2}', '{"n":1}']) expect(decodeCommitRecord(metadata)).toBeUndefined();
  });
});
