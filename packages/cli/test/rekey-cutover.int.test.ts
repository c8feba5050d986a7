import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ControllerClient, type RunningController, startController } from "@reprise/controller";
import {
  type Admin,
  createAdmin,
  createPlainReader,
  createRecordProducer,
  type EmbeddedBroker,
  type RecordProducer,
  startEmbeddedBroker,
} from "@reprise/kafka";
import { startWorker, type Worker } from "@reprise/worker";
import { pino } from "pino";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Event, eventCount, expectExact, type Payment, payments } from "../../../test/support/rekeyed-payments.ts";
import { buildArtifact } from "../src/artifact/build-artifact.ts";

let broker: EmbeddedBroker;
let controller: RunningController;
let client: ControllerClient;
let admin: Admin;
let producer: RecordProducer;
let folder: string;
const workers: Worker[] = [];
const logger = pino({ level: "silent" });
const internal = "reprise.by-shop.v1.1.payments-by-shop";

beforeAll(async () => {
  broker = await startEmbeddedBroker({ heapMb: 384 });
  const { bootstrap } = broker;
  folder = await mkdtemp(join(tmpdir(), "reprise-rekey-"));
  controller = await startController({
    bootstrap,
    port: 0,
    stabilityMs: 500,
    intervalMs: 50,
    takeOver: true,
    checkpointFolder: join(folder, "checkpoints"),
    logger,
  });
  client = new ControllerClient(controller.url, { by: "tester", patienceMs: 20_000 });
  admin = createAdmin({ bootstrap });
  producer = createRecordProducer({ bootstrap });
  await admin.createTopics([{ name: "payments", partitions: 3 }]);
  await until("the controller leads", async () => controller.leading);
});

afterAll(async () => {
  await Promise.all(workers.map((worker) => worker.stop()));
  await controller?.close();
  await producer?.close();
  await admin?.close();
  await broker?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + 60_000; !(await holds()); await sleep(50))
    if (performance.now() > deadline) throw new Error(`not within 60 s: ${what}`);
}

async function deploy(version: number, more: object = {}): Promise<string> {
  const artifactFolder = join(folder, "artifacts");
  const { sha256, definition } = await buildArtifact(join(import.meta.dirname, `fixtures/rekeyed/v${version}.ts`), artifactFolder, {
    conditions: ["source"],
  });
  const { deployment } = await client.deploy({ manifest: { ...definition.manifest }, artifact: sha256, ...more });
  await until(`${deployment} is starting`, async () => (await stateOf(deployment)) !== "Planned");
  const common = { bootstrap: broker.bootstrap, deployment, slot: 0, artifactFolder, logger };
  workers.push(await startWorker({ ...common, stateFolder: join(folder, "state"), checkpointFolder: join(folder, "checkpoints") }));
  return deployment;
}

const stateOf = async (id: string): Promise<string | undefined> => (await client.status()).deployments.find((one) => one.id === id)?.state;

async function cutOver(verb: "cutover" | "rollback", to: string): Promise<void> {
  await (verb === "cutover" ? client.cutover("by-shop") : client.rollback("by-shop"));
  await until(`${to} serves`, async () => {
    const [processor] = (await client.status()).processors;
    return processor?.publisher === to && processor.serving === to && processor.pending === undefined;
  });
}

/** What came out, by shop, in its order. */
async function events(): Promise<Map<string, (Event & { readonly version: number })[]>> {
  const byShop = new Map<string, (Event & { readonly version: number })[]>();
  const ends = await admin.endOffsets("shop-events");
  const reader = await createPlainReader({ bootstrap: broker.bootstrap });
  for (const [partition, end] of ends.entries()) {
    const at = { topic: "shop-events", partition };
    reader.assign(at, 0);
    for (let position = 0; position < end; ) {
      const columns = reader.take(at);
      if (columns === undefined) {
        await reader.wait(100);
        continue;
      }
      position = columns.nextOffset;
      for (let i = 0; i < columns.count; i++) {
        const text = (starts: Int32Array, lengths: Int32Array): string =>
          columns.bytes.toString("utf8", starts[i], (starts[i] as number) + (lengths[i] as number));
        const shop = text(columns.keyStarts, columns.keyLengths);
        const event = JSON.parse(text(columns.valueStarts, columns.valueLengths)) as Event & { readonly version: number };
        byShop.set(shop, [...(byShop.get(shop) ?? []), event]);
      }
    }
  }
  await reader.close();
  return byShop;
}

it("a version that shares the routes of another one takes over, gives back and goes on alone: each result once, in order", async () => {
  const all = payments(12_000);
  let sent = 0;
  let sending = true;
  const send = async (chunk: readonly Payment[]): Promise<void> => {
    await Promise.all(
      chunk.map(({ account, ...value }) => producer.send("payments", null, Buffer.from(account), Buffer.from(JSON.stringify(value)))),
    );
    sent += chunk.length;
  };
  // Ten seconds of payments at a time: what partitions may be apart. The last tenth comes when one version is alone.
  const arriving = (async () => {
    while (sending && sent < 10_800) {
      await send(all.slice(sent, sent + 100));
      await sleep(60);
    }
  })();
  const first = await deploy(1);
  await until("something came out", async () => sent > 500 && (await admin.describeTopics(["shop-events"])).size > 0);
  const second = await deploy(2, { routesOf: "v1" });
  await until(`${second} has caught up`, async () => (await stateOf(second)) === "CaughtUp");
  await cutOver("cutover", second);
  await sleep(500);
  await cutOver("rollback", first);
  await sleep(500);
  await cutOver("cutover", second);
  sending = false;
  await arriving;
  await client.retire(first);
  await until(`${first} is retired`, async () => (await stateOf(first)) === "Retired");
  expect((await admin.describeTopics([internal])).size).toBe(1);
  while (sent < all.length) await send(all.slice(sent, sent + 100));
  await until("all came out", async () => [...(await events()).values()].flat().length >= eventCount(all));
  const found = await events();
  expectExact(found, all);
  const versions = [...found.values()].flat().map(({ version }) => version);
  expect(versions.filter((version) => version === 1).length).toBeGreaterThan(300);
  expect(versions.filter((version) => version === 2).length).toBeGreaterThan(1_500);
}, 180_000);
