import { createServer } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Admin, createAdmin } from "../../src/admin/admin.ts";
import { createGroupOffsets } from "../../src/admin/group-offsets.ts";
import { createRecordProducer, type RecordProducer } from "../../src/writer/record-producer.ts";
import { bootstrapOfRun, committedValues, text, unique } from "../support/test-cluster.ts";

const bootstrap = bootstrapOfRun();
let admin: Admin;
let producer: RecordProducer;

beforeAll(() => {
  admin = createAdmin({ bootstrap });
  producer = createRecordProducer({ bootstrap });
});

afterAll(async () => {
  await producer.close();
  await admin.close();
});

test("creating topics again finds them, and what they were created with is what is described", async () => {
  const [one, two] = [unique("admin"), unique("admin")];
  const first = await admin.createTopics([{ name: one, partitions: 3 }]);
  expect(first).toEqual({ created: [one], existing: [] });
  const specs = [
    { name: one, partitions: 3 },
    { name: two, partitions: 1, config: { "cleanup.policy": "compact", "retention.ms": "60000" } },
  ];
  expect(await admin.createTopics(specs)).toEqual({ created: [two], existing: [one] });
  const described = await admin.describeTopics([one, two, unique("missing")]);
  expect([...described.keys()].sort()).toEqual([one, two].sort());
  expect(described.get(one)).toMatchObject({ partitions: 3, config: { "retention.ms": "-1", "cleanup.policy": "delete" } });
  expect(described.get(two)).toMatchObject({ partitions: 1, config: { "retention.ms": "60000", "cleanup.policy": "compact" } });
  expect(described.get(one)?.config["message.timestamp.type"]).toBe("CreateTime");
  expect(await admin.listTopics()).toEqual(expect.arrayContaining([one, two]));
});

test("a topic that exists with another partition count is a conflict", async () => {
  const name = unique("admin");
  await admin.createTopics([{ name, partitions: 3 }]);
  await expect(admin.createTopics([{ name, partitions: 4 }])).rejects.toMatchObject({
    code: "DECLARATION_CONFLICT",
    details: { partitions: 3, wanted: 4 },
  });
});

test("a topic that was deleted and created anew has another id", async () => {
  const name = unique("admin");
  await admin.createTopics([{ name, partitions: 1 }]);
  const before = (await admin.describeTopics([name])).get(name)?.topicId;
  await admin.deleteTopics([name]);
  await admin.deleteTopics([name]);
  expect(await admin.describeTopics([name])).toEqual(new Map());
  await admin.createTopics([{ name, partitions: 1 }]);
  const after = (await admin.describeTopics([name])).get(name)?.topicId;
  expect(after).toMatch(/^[0-9a-f-]{36}$/);
  expect(after).not.toBe(before);
});

test("partitions are added once", async () => {
  const name = unique("admin");
  await admin.createTopics([{ name, partitions: 1 }]);
  await admin.addPartitions(name, 3);
  await admin.addPartitions(name, 3);
  expect((await admin.describeTopics([name])).get(name)?.partitions).toBe(3);
  await expect(admin.addPartitions(unique("missing"), 3)).rejects.toMatchObject({ code: "TOPIC_MISSING" });
});

test("offsets are found at both ends, by timestamp, and after records were deleted", async () => {
  const topic = unique("admin");
  await admin.createTopics([{ name: topic, partitions: 2 }]);
  for (const timestampMs of [1_000, 2_000, 3_000]) await producer.send(topic, 0, null, text(String(timestampMs)), undefined, timestampMs);
  const partitions = [
    { topic, partition: 1 },
    { topic, partition: 0 },
  ];
  const list = async (query: Parameters<Admin["listOffsets"]>[1]): Promise<number[]> =>
    (await admin.listOffsets(partitions, query)).map((each) => each.offset);
  expect(await list("earliest")).toEqual([0, 0]);
  expect(await list("last-stable")).toEqual([0, 3]);
  expect(await list("high-watermark")).toEqual([0, 3]);
  expect(await list({ timestampMs: 1_500 })).toEqual([0, 1]);
  expect(await list({ timestampMs: 9_000 })).toEqual([0, 3]);
  expect(await admin.endOffsets(topic)).toEqual([3, 0]);
  await admin.deleteRecords([{ topic, partition: 0, beforeOffset: 2 }]);
  await admin.deleteRecords([{ topic, partition: 0, beforeOffset: 2 }]);
  expect(await list("earliest")).toEqual([0, 2]);
  await expect(admin.listOffsets([{ topic, partition: 2 }], "earliest")).rejects.toMatchObject({
    code: "TOPIC_MISSING",
    details: { partition: 2 },
  });
  await expect(admin.endOffsets(unique("missing"))).rejects.toMatchObject({ code: "TOPIC_MISSING" });
});

test("a record goes where Java would put it, with its offset, timestamp and headers", async () => {
  const topic = unique("admin");
  await admin.createTopics([{ name: topic, partitions: 12 }]);
  // Partitions as Java's client computes them; see murmur2.test.ts.
  expect(await producer.send(topic, null, text("foobar"), text("a"))).toBe(0);
  expect(await producer.send(topic, null, text("foobar"), text("b"), [{ key: "h", value: "x" }], 5)).toBe(1);
  expect(await committedValues(topic, 6)).toEqual(["a", "b"]);
  const inTurns = await Promise.all(Array.from({ length: 24 }, () => producer.send(topic, null, null, text("turn"))));
  expect(inTurns).toHaveLength(24);
  expect((await admin.endOffsets(topic)).every((end) => end >= 2)).toBe(true);
});

test("offsets come back in the order of the calls, whatever their number", async () => {
  const topic = unique("admin");
  await admin.createTopics([{ name: topic, partitions: 2 }]);
  const started = performance.now();
  const sends = Array.from({ length: 100_000 }, (_, i) => producer.send(topic, i & 1, null, text(String(i))));
  const offsets = await Promise.all(sends);
  console.log(`${(100_000 / (performance.now() - started)).toFixed(0)}k acknowledged records/s`);
  expect(offsets.every((offset, i) => offset === i >> 1)).toBe(true);
});

test("a record for a topic or partition that does not exist is refused by name", async () => {
  const missing = unique("missing");
  await expect(producer.send(missing, 0, null, text("x"))).rejects.toMatchObject({ code: "TOPIC_MISSING", details: { topic: missing } });
  await admin.createTopics([{ name: missing, partitions: 1 }]);
  expect(await producer.send(missing, 0, null, text("x"))).toBe(0);
  await expect(producer.send(missing, 1, null, text("x"))).rejects.toMatchObject({ code: "TOPIC_MISSING", details: { partition: 1 } });
});

test("groups are deleted, also those that never were", async () => {
  await admin.deleteGroups([unique("never"), unique("never")]);
});

test("offsets of a group that never committed are left out, and asking costs little", async () => {
  const topic = unique("admin");
  await admin.createTopics([{ name: topic, partitions: 2 }]);
  const offsets = createGroupOffsets({ bootstrap });
  const group = unique("group");
  expect(await offsets.committed(group, [{ topic, partition: 0 }])).toEqual([]);
  const started = performance.now();
  for (let i = 0; i < 100; i++)
    await offsets.committed(group, [
      { topic, partition: 0 },
      { topic, partition: 1 },
    ]);
  console.log(`${((performance.now() - started) / 100).toFixed(2)} ms per require-stable look`);
  await offsets.close();
});

test("a cluster that is reachable is found, one that is not is named", async () => {
  await admin.waitReachable(5_000);
  const nobody = createAdmin({ bootstrap: "127.0.0.1:1" });
  await expect(nobody.waitReachable(300)).rejects.toMatchObject({
    code: "BROKER_UNREACHABLE",
    message: expect.stringContaining("127.0.0.1:1") as string,
  });
  await nobody.close();
  await expect(nobody.listTopics()).rejects.toMatchObject({ code: "KAFKA_FAILED" });
});

test("something that listens and never answers does not hold waitReachable up", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const silent = createAdmin({ bootstrap: `127.0.0.1:${port}` });
  const started = performance.now();
  await expect(silent.waitReachable(300)).rejects.toMatchObject({ code: "BROKER_UNREACHABLE" });
  expect(performance.now() - started).toBeLessThan(2_000);
  await silent.close();
  server.close();
});
