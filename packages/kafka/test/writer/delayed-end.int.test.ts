import type { KafkaConsumer } from "@confluentinc/kafka-javascript";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Admin, createAdmin } from "../../src/admin/admin.ts";
import { type EmbeddedBroker, startEmbeddedBroker } from "../../src/broker/embedded-broker.ts";
import { freePorts } from "../../src/broker/free-port.ts";
import { called, nativeClient } from "../../src/internal/native-client.ts";
import { connectProducer } from "../../src/writer/native-producer.ts";
import { producerSettings } from "../../src/writer/producer-settings.ts";
import { createTransactionalWriter } from "../../src/writer/transactional-writer.ts";
import { endTxn, type HoldingProxy, listenAsProxy } from "../support/holding-proxy.ts";
import { committedValues, text, unique } from "../support/test-cluster.ts";

// Every client comes through a proxy that can hold a request back: the broker tells them so.
let proxy: HoldingProxy;
let broker: EmbeddedBroker;
let bootstrap: string;
let admin: Admin;
let consumer: KafkaConsumer;

beforeAll(async () => {
  proxy = await listenAsProxy();
  const [port] = (await freePorts(1)) as [number];
  proxy.leadTo(port);
  bootstrap = `127.0.0.1:${proxy.port}`;
  broker = await startEmbeddedBroker({ port, settings: { "advertised.listeners": `PLAINTEXT://${bootstrap}` } });
  admin = createAdmin({ bootstrap });
  consumer = new (nativeClient().KafkaConsumer)({ "bootstrap.servers": bootstrap, "group.id": "delayed", "enable.auto.commit": false }, {});
  await called((done) => consumer.connect({}, (error: unknown) => done(error)));
});

afterAll(async () => {
  await called((done) => consumer.disconnect(done as never));
  await admin.close();
  await broker.stop();
  await proxy.close();
});

async function newTopic(): Promise<string> {
  const name = unique("delayed");
  await admin.createTopics([{ name, partitions: 1 }]);
  return name;
}

const atBroker = (topic: string, end: number): Promise<void> =>
  vi.waitFor(async () => expect((await admin.endOffsets(topic, "high-watermark"))[0]).toBeGreaterThanOrEqual(end), { timeout: 10_000 });

test("librdkafka alone: an EndTxn that comes late commits part of a later transaction of the same producer", async () => {
  const topic = await newTopic();
  const settings = { ...producerSettings({ bootstrap }), "transactional.id": unique("id") };
  const connected = await connectProducer(settings, 30_000);
  const { producer, native } = connected;
  await called((done) => producer.initTransactions(10_000, done));
  await called((done) => producer.beginTransaction(done));
  native.produce(topic, 0, text("first"), null, 1);
  const held = proxy.holdNext(endTxn);
  // Asked for again over a new connection, by librdkafka itself: it is committed, and nobody would think of the first request any more.
  await called((done) => producer.commitTransaction(10_000, done));
  expect(connected.sawDisconnect).toBe(true);
  await called((done) => producer.beginTransaction(done));
  native.produce(topic, 0, text("never to be seen"), null, 1);
  await atBroker(topic, 3);
  await (await held).release();
  await called((done) => producer.abortTransaction(10_000, done)).catch(() => undefined);
  expect(await committedValues(topic, 0, bootstrap)).toEqual(["first", "never to be seen"]);
  await connected.disconnect(0);
}, 60_000);

test("the writer calls it in doubt; its next producer has another epoch, and what comes late changes nothing", async () => {
  const topic = await newTopic();
  const writer = createTransactionalWriter({ bootstrap, transactionalId: unique("id"), consumer });
  await writer.init();
  await writer.begin();
  writer.produce(topic, 0, null, text("first"), 1);
  const held = proxy.holdNext(endTxn);
  expect(await writer.commit([{ topic, partition: 0, offset: 1, metadata: "n1" }])).toMatchObject({
    kind: "in-doubt",
    cause: { details: { answered: "committed" } },
  });
  await expect(writer.begin()).rejects.toThrow(/must be initialised first/);
  await writer.init();
  await writer.begin();
  writer.produce(topic, 0, null, text("never to be seen"), 1);
  await atBroker(topic, 3);
  await (await held).release();
  expect(await writer.abort()).toMatchObject({ kind: "aborted" });
  await writer.begin();
  writer.produce(topic, 0, null, text("second"), 1);
  expect(await writer.commit([{ topic, partition: 0, offset: 2, metadata: "n2" }])).toEqual({ kind: "committed" });
  await vi.waitFor(async () => expect(await committedValues(topic, 0, bootstrap)).toEqual(["first", "second"]), { timeout: 10_000 });
  await writer.close();
}, 60_000);
