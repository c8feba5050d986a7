import { randomBytes } from "node:crypto";
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { KafkaConsumer } from "@confluentinc/kafka-javascript";
import type { TransactionalWriter } from "@reprise/engine";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { type Admin, createAdmin } from "../../src/admin/admin.ts";
import { createGroupOffsets } from "../../src/admin/group-offsets.ts";
import { called, nativeClient } from "../../src/internal/native-client.ts";
import { createTransactionalWriter } from "../../src/writer/transactional-writer.ts";
import { bootstrapOfRun, committedValues, text, unique } from "../support/test-cluster.ts";

const runner = fileURLToPath(new URL("../../../../scripts/run-source.mjs", import.meta.url));
const bootstrap = bootstrapOfRun();
let admin: Admin;
let offsets: ReturnType<typeof createGroupOffsets>;
const group = unique("writer-group");
let consumer: KafkaConsumer;
const writers: TransactionalWriter[] = [];

beforeAll(async () => {
  admin = createAdmin({ bootstrap });
  offsets = createGroupOffsets({ bootstrap });
  consumer = new (nativeClient().KafkaConsumer)({ "bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": false }, {});
  await called((done) => consumer.connect({}, (error: unknown) => done(error)));
});

afterEach(async () => {
  await Promise.all(writers.splice(0).map((writer) => writer.close()));
});

afterAll(async () => {
  await called((done) => consumer.disconnect(done as never));
  await offsets.close();
  await admin.close();
});

function writer(transactionalId: string): TransactionalWriter {
  const created = createTransactionalWriter({ bootstrap, transactionalId, consumer });
  writers.push(created);
  return created;
}

async function newTopic(): Promise<string> {
  const name = unique("writer");
  await admin.createTopics([{ name, partitions: 2 }]);
  return name;
}

test("a commit makes records and offsets with their metadata visible together", async () => {
  const topic = await newTopic();
  const one = writer(unique("id"));
  await one.init();
  await one.begin();
  one.produce(topic, 0, text("k"), text("v1"), 1_700_000_000_000, [{ key: "task", value: "7" }]);
  one.produce(topic, 0, null, null, 0);
  // Metadata is JSON with letters outside ASCII and ends in no terminator.
  const metadata = JSON.stringify({ n: 1, name: "Zürich ✓", big: "x".repeat(3_000) });
  const outcome = await one.commit([
    { topic, partition: 0, offset: 42, metadata },
    { topic, partition: 1, offset: 7, metadata: "" },
  ]);
  expect(outcome).toEqual({ kind: "committed" });
  const found = await offsets.committed(group, [
    { topic, partition: 0 },
    { topic, partition: 1 },
  ]);
  expect(found.sort((a, b) => a.partition - b.partition)).toEqual([
    { topic, partition: 0, offset: 42, metadata },
    { topic, partition: 1, offset: 7, metadata: "" },
  ]);
  await vi.waitFor(async () => expect(await committedValues(topic)).toEqual(["v1", ""]), { interval: 10 });
});

test("nothing of an aborted transaction is visible, and the writer goes on", async () => {
  const topic = await newTopic();
  const one = writer(unique("id"));
  await one.init();
  await one.begin();
  one.produce(topic, 0, null, text("dropped"), 1);
  expect(await one.abort()).toMatchObject({ kind: "aborted" });
  await one.begin();
  one.produce(topic, 0, null, text("kept"), 1);
  expect(await one.commit([{ topic, partition: 0, offset: 1, metadata: "n1" }])).toEqual({ kind: "committed" });
  await vi.waitFor(async () => expect(await committedValues(topic)).toEqual(["kept"]), { interval: 10 });
});

test("a second writer of the same id fences the first, aborts what it left open, and what the first commits is lost", async () => {
  const topic = await newTopic();
  const id = unique("id");
  const zombie = writer(id);
  await zombie.init();
  await zombie.begin();
  zombie.produce(topic, 0, null, text("zombie"), 1);
  await zombie.drain();
  const heir = writer(id);
  await heir.init();
  await heir.begin();
  heir.produce(topic, 0, null, text("heir"), 1);
  expect(await heir.commit([{ topic, partition: 0, offset: 2, metadata: "heir" }])).toEqual({ kind: "committed" });
  expect(await zombie.commit([{ topic, partition: 0, offset: 1, metadata: "zombie" }])).toMatchObject({
    kind: "fenced",
    cause: { code: "PRODUCER_FENCED" },
  });
  await expect(zombie.begin()).rejects.toMatchObject({ code: "KAFKA_FAILED" });
  expect(await offsets.committed(group, [{ topic, partition: 0 }])).toMatchObject([{ offset: 2, metadata: "heir" }]);
  expect(await committedValues(topic)).toEqual(["heir"]);
  // The old one may come back under the same id: it then is the owner.
  await zombie.init();
  await zombie.begin();
  expect(await zombie.commit([{ topic, partition: 0, offset: 3, metadata: "back" }])).toEqual({ kind: "committed" });
});

test("a raw fence ends an open transaction, and its writer learns it from its commit", async () => {
  const topic = await newTopic();
  const ids = [unique("id"), unique("id"), unique("id")];
  const [one] = ids.map(writer) as [TransactionalWriter];
  await one.init();
  await one.begin();
  one.produce(topic, 0, null, text("fenced"), 1);
  await one.drain();
  const started = performance.now();
  await admin.fence(ids);
  console.log(`fenced 3 ids in ${(performance.now() - started).toFixed(1)} ms`);
  expect(await one.commit([{ topic, partition: 0, offset: 9, metadata: "" }])).toMatchObject({ kind: "fenced" });
  expect(await committedValues(topic)).toEqual([]);
  expect(await offsets.committed(group, [{ topic, partition: 0 }])).toEqual([]);
});

test("a topic that does not exist aborts the transaction before its time-out", async () => {
  const topic = await newTopic();
  const one = writer(unique("id"));
  await one.init();
  await one.begin();
  one.produce(topic, 0, null, text("not without the other"), 1);
  one.produce(unique("missing"), 0, null, text("x"), 1);
  expect(await one.commit([{ topic, partition: 0, offset: 1, metadata: "" }])).toMatchObject({ kind: "aborted" });
  expect(await committedValues(topic)).toEqual([]);
  await one.begin();
  one.produce(topic, 0, null, text("after"), 1);
  expect(await one.commit([])).toEqual({ kind: "committed" });
  await vi.waitFor(async () => expect(await committedValues(topic)).toEqual(["after"]), { interval: 10 });
});

test("offsets of a topic that does not exist abort the transaction", async () => {
  const one = writer(unique("id"));
  await one.init();
  await one.begin();
  expect(await one.commit([{ topic: unique("missing"), partition: 0, offset: 1, metadata: "" }])).toMatchObject({ kind: "aborted" });
});

test("4,095 bytes of metadata are committed; one more aborts and says so, because its terminator goes with it", async () => {
  const topic = await newTopic();
  const one = writer(unique("id"));
  await one.init();
  await one.begin();
  expect(await one.commit([{ topic, partition: 0, offset: 1, metadata: "x".repeat(4_095) }])).toEqual({ kind: "committed" });
  await one.begin();
  expect(await one.commit([{ topic, partition: 0, offset: 2, metadata: "x".repeat(4_096) }])).toMatchObject({
    kind: "aborted",
    cause: { details: { kafkaCode: 12 } },
  });
  expect(await offsets.committed(group, [{ topic, partition: 0 }])).toMatchObject([{ offset: 1 }]);
});

test("a record that is too large is refused at once, and the transaction stays open", async () => {
  const topic = await newTopic();
  const one = writer(unique("id"));
  await one.init();
  await one.begin();
  expect(() => one.produce(topic, 0, null, new Uint8Array(2_000_000), 1)).toThrow(/2000000 bytes/);
  one.produce(topic, 0, null, text("small"), 1);
  expect(await one.commit([])).toEqual({ kind: "committed" });
});

test("a record that its topic does not take is refused: it says which topic, that it would be again, and the next producer goes on", async () => {
  const topic = await newTopic();
  const small = unique("small");
  await admin.createTopics([{ name: small, partitions: 2, config: { "max.message.bytes": "2000" } }]);
  const one = writer(unique("id"));
  await one.init();
  for (let time = 0; time < 2; time++) {
    if (time > 0) await one.init();
    await one.begin();
    one.produce(topic, 0, null, text("not without the other"), 1);
    one.produce(small, 1, null, randomBytes(5_000), 1);
    expect(await one.commit([{ topic, partition: 0, offset: 1, metadata: "" }])).toMatchObject({
      kind: "in-doubt",
      refused: true,
      cause: {
        code: "KAFKA_FAILED",
        message: expect.stringContaining(`partition 1 of '${small}'`) as string,
        details: { kafkaCode: 10, topic: small },
      },
    });
  }
  await one.init();
  await one.begin();
  one.produce(small, 1, null, text("small enough"), 1);
  expect(await one.commit([{ topic, partition: 0, offset: 1, metadata: "" }])).toEqual({ kind: "committed" });
  expect(await committedValues(topic)).toEqual([]);
  await vi.waitFor(async () => expect(await committedValues(small, 1)).toEqual(["small enough"]), { interval: 10 });
});

test("require-stable reading waits for a pending commit and never sees the offset before it", async () => {
  const topic = await newTopic();
  const one = writer(unique("id"));
  await one.init();
  let asked = 0;
  for (let n = 1; n <= 50; n++) {
    await one.begin();
    one.produce(topic, 0, null, text(String(n)), 1);
    const committing = one.commit([{ topic, partition: 0, offset: n, metadata: `n${n}` }]);
    // Either before this transaction added its offset, or after its decision: never in between, never back.
    const [seen] = await offsets.committed(group, [{ topic, partition: 0 }]);
    expect(seen?.offset ?? 0).toBeGreaterThanOrEqual(n - 1);
    asked++;
    expect(await committing).toEqual({ kind: "committed" });
    expect(await offsets.committed(group, [{ topic, partition: 0 }])).toEqual([{ topic, partition: 0, offset: n, metadata: `n${n}` }]);
  }
  expect(asked).toBe(50);
});

test("after kill -9 of a process with an open transaction, the same id takes over at once and readers go on", async () => {
  const topic = await newTopic();
  const id = unique("id");
  const script = fileURLToPath(new URL("../support/open-a-transaction.ts", import.meta.url));
  const child = spawn(process.execPath, [runner, script, bootstrap, topic, id], { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise<void>((resolve, reject) => {
    child.stdout.once("data", () => resolve());
    child.once("exit", () => reject(new Error("The process ended before its transaction was open.")));
  });
  child.kill("SIGKILL");
  await new Promise((resolve) => child.once("exit", resolve));
  const stuck = await admin.endOffsets(topic, "last-stable");
  expect(stuck[0]).toBe(0);
  expect((await admin.endOffsets(topic, "high-watermark"))[0]).toBe(1);
  const started = performance.now();
  const heir = writer(id);
  await heir.init();
  console.log(`took over in ${(performance.now() - started).toFixed(1)} ms`);
  await heir.begin();
  heir.produce(topic, 0, null, text("heir"), 1);
  expect(await heir.commit([{ topic, partition: 0, offset: 1, metadata: "" }])).toEqual({ kind: "committed" });
  await vi.waitFor(async () => expect(await committedValues(topic)).toEqual(["heir"]), { interval: 10 });
});

test("two hundred commits of a hundred records each", async () => {
  const topic = await newTopic();
  const one = writer(unique("id"));
  await one.init();
  const value = text("x".repeat(100));
  const started = performance.now();
  for (let n = 1; n <= 200; n++) {
    await one.begin();
    for (let i = 0; i < 100; i++) one.produce(topic, i & 1, value, value, 1_700_000_000_000);
    expect(await one.commit([{ topic, partition: 0, offset: n, metadata: "m" }])).toEqual({ kind: "committed" });
  }
  console.log(`${(200_000 / (performance.now() - started)).toFixed(0)} transactions/s`);
});

test("half a million records in one transaction, drained in chunks", async () => {
  const topic = await newTopic();
  const one = writer(unique("id"));
  await one.init();
  const value = text("x".repeat(100));
  await one.begin();
  const started = performance.now();
  let producing = 0;
  for (let chunk = 0; chunk < 50; chunk++) {
    const before = performance.now();
    for (let i = 0; i < 10_000; i++) one.produce(topic, i & 1, value, value, 1_700_000_000_000);
    producing += performance.now() - before;
    await one.drain();
  }
  expect(await one.commit([])).toEqual({ kind: "committed" });
  console.log(
    `${(500_000 / (performance.now() - started)).toFixed(0)}k records/s, ${((producing * 1_000) / 500_000).toFixed(2)} µs per produce call`,
  );
});
