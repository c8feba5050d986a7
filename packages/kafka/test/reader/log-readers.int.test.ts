import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createAdmin } from "../../src/admin/admin.ts";
import { type EmbeddedBroker, startEmbeddedBroker } from "../../src/broker/embedded-broker.ts";
import { createColumnarReader } from "../../src/reader/columnar-log-reader.ts";
import { createPlainReader } from "../../src/reader/plain-log-reader.ts";
import { bootstrapOfRun, unique } from "../support/test-cluster.ts";
import { encodeBatch } from "./encode-batch.ts";
import { logReaderConformance } from "./log-reader-conformance.ts";
import { LogWriter, writeBatch } from "./log-writer.ts";
import { errorOf, readUntil } from "./read-records.ts";

const columnar = { name: "columnar", create: (bootstrap: string) => createColumnarReader({ bootstrap }) };
const plain = { name: "plain", create: (bootstrap: string) => createPlainReader({ bootstrap }) };

describe("the columnar and the plain reader", () => {
  logReaderConformance([columnar, plain], bootstrapOfRun);
});

describe("the columnar reader", () => {
  test("refuses a gzip bomb by topic, partition and offset, and holds no more than its bound", async () => {
    const bootstrap = bootstrapOfRun();
    const topic = unique("bomb");
    const admin = createAdmin({ bootstrap });
    await admin.createTopics([{ name: topic, partitions: 1 }]);
    await admin.close();
    await writeBatch(bootstrap, topic, 0, encodeBatch({ baseOffset: 0, records: [{ value: "before" }], codec: "gzip" }));
    await writeBatch(bootstrap, topic, 0, encodeBatch({ baseOffset: 0, records: [{ value: Buffer.alloc(200_000_000) }], codec: "gzip" }));
    const reader = await createColumnarReader({ bootstrap });
    const partition = { topic, partition: 0 };
    reader.assign(partition, 0);
    expect((await readUntil(reader, partition, 1)).records).toMatchObject([{ value: "before" }]);
    const before = process.memoryUsage().rss;
    expect(await errorOf(reader, partition)).toMatchObject({ code: "BATCH_CORRUPT", details: { topic, partition: 0, offset: 1 } });
    expect(process.memoryUsage().rss - before).toBeLessThan(150_000_000);
    await reader.close();
  });

  test("can't be opened where no broker is", async () => {
    await expect(createColumnarReader({ bootstrap: "127.0.0.1:1" })).rejects.toMatchObject({
      code: "BROKER_UNREACHABLE",
      details: { bootstrap: "127.0.0.1:1" },
    });
    await expect(createColumnarReader({ bootstrap: "nonsense" })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});

describe("when the broker goes away while it is read", () => {
  let broker: EmbeddedBroker;
  beforeAll(async () => {
    broker = await startEmbeddedBroker();
  });
  afterAll(() => broker.stop());

  test.each([columnar, plain])("the $name reader goes on where it was, after a restart and after kill -9", async ({ create }) => {
    const { bootstrap } = broker;
    const topic = unique("restart");
    const admin = createAdmin({ bootstrap });
    await admin.createTopics([{ name: topic, partitions: 2 }]);
    await admin.close();
    const values = Array.from({ length: 5_000 }, (_, i) => ({ key: `${i}`, value: `${i}`.padEnd(200, ".") }));
    let writer = await LogWriter.open(bootstrap, topic, { codec: "lz4" });
    const expected = [await writer.write(0, 0, values), await writer.write(1, 0, values)];
    await writer.close();
    const reader = await create(bootstrap);
    const [p0, p1] = [
      { topic, partition: 0 },
      { topic, partition: 1 },
    ];
    reader.assign(p0, 0);
    reader.assign(p1, 100);
    const first = await readUntil(reader, p0, 1);
    await broker.restart();
    const second = await readUntil(reader, p0, 5_000, { position: first.nextOffset, timeoutMs: 60_000 });
    expect([...first.records, ...second.records]).toEqual(expected[0]);
    expect((await readUntil(reader, p1, 5_000)).records).toEqual(expected[1]?.slice(100));
    await broker.kill("SIGKILL");
    await broker.restart();
    writer = await LogWriter.open(bootstrap, topic, { codec: "zstd" });
    const more = await writer.write(0, 5_000, values);
    await writer.close();
    expect((await readUntil(reader, p0, 10_000, { timeoutMs: 60_000 })).records).toEqual(more);
    await reader.close();
  });
});
