import { setTimeout as sleep } from "node:timers/promises";
import type { KafkaConsumer } from "@confluentinc/kafka-javascript";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { createAdmin } from "../../src/admin/admin.ts";
import { createGroupOffsets } from "../../src/admin/group-offsets.ts";
import { type EmbeddedBroker, startEmbeddedBroker } from "../../src/broker/embedded-broker.ts";
import { called, nativeClient } from "../../src/internal/native-client.ts";
import { createTransactionalWriter } from "../../src/writer/transactional-writer.ts";
import { text, unique } from "../support/test-cluster.ts";

// Frozen and killed here, so not the one that the other tests share.
let broker: EmbeddedBroker;
let consumer: KafkaConsumer;

beforeAll(async () => {
  broker = await startEmbeddedBroker();
  consumer = new (nativeClient().KafkaConsumer)(
    { "bootstrap.servers": broker.bootstrap, "group.id": "failures", "enable.auto.commit": false },
    {},
  );
  await called((done) => consumer.connect({}, (error: unknown) => done(error)));
});

afterAll(async () => {
  await called((done) => consumer.disconnect(done as never));
  await broker.stop();
});

async function prepare() {
  const topic = unique("failures");
  const admin = createAdmin({ bootstrap: broker.bootstrap });
  await admin.createTopics([{ name: topic, partitions: 1 }]);
  const writer = createTransactionalWriter({ bootstrap: broker.bootstrap, transactionalId: unique("id"), consumer });
  await writer.init();
  return { topic, admin, writer, offsets: createGroupOffsets({ bootstrap: broker.bootstrap }) };
}

test("a broker that is frozen during a commit delays it: the same commit is asked for until it is decided", async () => {
  const { topic, admin, writer, offsets } = await prepare();
  await writer.begin();
  writer.produce(topic, 0, null, text("v"), 1);
  await broker.kill("SIGSTOP");
  let decided = false;
  const committing = writer.commit([{ topic, partition: 0, offset: 1, metadata: "n1" }]).finally(() => {
    decided = true;
  });
  // Longer than one call's time-out (2 s), shorter than the request's (10 s).
  await sleep(3_000);
  expect(decided).toBe(false);
  await broker.kill("SIGCONT");
  expect(await committing).toEqual({ kind: "committed" });
  expect(await offsets.committed("failures", [{ topic, partition: 0 }])).toEqual([{ topic, partition: 0, offset: 1, metadata: "n1" }]);
  await writer.close();
  await Promise.all([admin.close(), offsets.close()]);
});

test("a broker that dies during a transaction leaves it in doubt, and init settles it", async () => {
  const { topic, admin, writer, offsets } = await prepare();
  await writer.begin();
  writer.produce(topic, 0, null, text("v"), 1);
  await writer.drain();
  await broker.kill("SIGKILL");
  const committing = writer.commit([{ topic, partition: 0, offset: 1, metadata: "n1" }]);
  await broker.restart();
  expect(await committing).toMatchObject({ kind: "in-doubt" });
  await expect(writer.begin()).rejects.toMatchObject({ code: "KAFKA_FAILED" });
  await writer.init();
  // Decided now, one way or the other, and records and offset agree.
  const [settled] = await offsets.committed("failures", [{ topic, partition: 0 }]);
  const before = settled === undefined ? 0 : 1;
  await vi.waitFor(
    async () => expect((await admin.endOffsets(topic, "last-stable"))[0]).toBe((await admin.endOffsets(topic, "high-watermark"))[0]),
    { interval: 20 },
  );
  await writer.begin();
  writer.produce(topic, 0, null, text("next"), 1);
  expect(await writer.commit([{ topic, partition: 0, offset: before + 1, metadata: "next" }])).toEqual({ kind: "committed" });
  expect(await offsets.committed("failures", [{ topic, partition: 0 }])).toMatchObject([{ offset: before + 1, metadata: "next" }]);
  await writer.close();
  await Promise.all([admin.close(), offsets.close()]);
}, 90_000);

test("a transaction that is open beyond its time-out is fenced", async () => {
  const { topic, admin, writer, offsets } = await prepare();
  await writer.begin();
  writer.produce(topic, 0, null, text("late"), 1);
  await vi.waitFor(async () => expect((await admin.endOffsets(topic, "high-watermark"))[0]).toBe(1), { interval: 20 });
  // The coordinator looks every 10 s; its marker moves the last stable offset.
  await vi.waitFor(async () => expect((await admin.endOffsets(topic, "last-stable"))[0]).toBe(2), { timeout: 30_000, interval: 100 });
  expect(await writer.commit([{ topic, partition: 0, offset: 1, metadata: "" }])).toMatchObject({ kind: "fenced" });
  expect(await offsets.committed("failures", [{ topic, partition: 0 }])).toEqual([]);
  await writer.close();
  await Promise.all([admin.close(), offsets.close()]);
}, 60_000);

test("without a broker, init says which address did not answer", async () => {
  const writer = createTransactionalWriter({ bootstrap: "127.0.0.1:1", transactionalId: unique("id"), consumer, initTimeoutMs: 500 });
  await expect(writer.init()).rejects.toMatchObject({
    code: "BROKER_UNREACHABLE",
    message: expect.stringContaining("127.0.0.1:1") as string,
  });
  await writer.close();
});
