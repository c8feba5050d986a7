import { deltaTopicOf, type Failpoint } from "@reprise/engine";
import { createAdmin, createRecordProducer, type EmbeddedBroker, startEmbeddedBroker } from "@reprise/kafka";
import { RepriseError } from "@reprise/schema";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ControllerClient, type Status } from "../src/index.ts";
import { committedOutputs } from "./support/committed-outputs.ts";
import { type ControllerProcess, startControllerProcess } from "./support/controller-process.ts";
import { FakeWorker } from "./support/fake-worker.ts";
import { artifactOf, manifestOf } from "./support/manifest.ts";
import { waitUntil } from "./support/wait-until.ts";

// A broker of its own: there is one control topic per cluster, and other packages' tests write to it.
const name = "survivor";
const input = "survivor-in";
const output = "survivor-out";
const partitions = 2;

let broker: EmbeddedBroker;
let controller: ControllerProcess;
let client: ControllerClient;
let sent = 0;
const workers: FakeWorker[] = [];

async function restart(failpoint?: Failpoint): Promise<void> {
  await controller?.kill();
  controller = await startControllerProcess(broker.bootstrap, failpoint);
  client = new ControllerClient(controller.url);
  // Until it leads it names itself nowhere; commands wait for that.
  await waitUntil("the controller to lead", async () => (await client.status()).controller.leading);
}

/** Sends a command to a controller that dies on the way, then the same one, with the same key, to the next. */
async function survive<T>(failpoint: Failpoint, command: (key: string) => Promise<T>): Promise<T> {
  await restart(failpoint);
  const key = `command at ${failpoint} ${sent}`;
  const first = await command(key).then(
    (answer) => answer,
    (error: unknown) => {
      if (!RepriseError.is(error) || error.code !== "CONTROLLER_UNREACHABLE") throw error;
      return undefined;
    },
  );
  expect(await controller.ended).toBe("SIGKILL");
  await restart();
  const second = await command(key);
  if (first !== undefined) expect(second).toEqual(first);
  return second;
}

async function send(count: number): Promise<void> {
  const producer = createRecordProducer({ bootstrap: broker.bootstrap });
  await Promise.all(
    Array.from({ length: count }, (_, i) => producer.send(input, i % partitions, Buffer.from("k"), Buffer.from(String(i)))),
  );
  await producer.close();
  sent += count;
}

const deploy = (version: number, key: string): Promise<{ deployment: string }> =>
  client.deploy(
    { manifest: manifestOf(name, version, { inputs: [input], outputs: [output] }), artifact: artifactOf(String(version)) },
    { idempotencyKey: key },
  );

const reaches = (id: string, state: string): Promise<Status> =>
  waitUntil(`${id} to be ${state}`, async () => {
    const status = await client.status();
    return status.deployments.find((one) => one.id === id)?.state === state ? status : undefined;
  });

async function topics(): Promise<string[]> {
  const admin = createAdmin({ bootstrap: broker.bootstrap });
  const names = await admin.listTopics();
  await admin.close();
  return names;
}

beforeAll(async () => {
  broker = await startEmbeddedBroker({ heapMb: 384 });
  const admin = createAdmin({ bootstrap: broker.bootstrap });
  await admin.createTopics([{ name: input, partitions }]);
  await admin.close();
  await send(100);
});

afterAll(async () => {
  await Promise.all(workers.map((worker) => worker.stop()));
  await controller?.kill();
  await broker?.stop();
});

describe("a controller that is killed while it deploys", () => {
  it.each(["after-created", "after-topics"] as const)("%s: the next one goes on, and there is one deployment", async (failpoint) => {
    const version = failpoint === "after-created" ? 1 : 2;
    const { deployment } = await survive(failpoint, (key) => deploy(version, key));
    expect(deployment).toBe(`${name}.v${version}.1`);
    const worker = new FakeWorker({ bootstrap: broker.bootstrap, deployment });
    workers.push(worker);
    const status = await reaches(deployment, version === 1 ? "Serving" : "CaughtUp");
    expect(status.deployments.filter((one) => one.version === version)).toHaveLength(1);
    expect(await topics()).toContain(deltaTopicOf(deployment));
  });
});

describe("a controller that is killed in the middle of a cutover", () => {
  it.each(["after-intent", "after-fence", "after-read", "after-cut", "before-completed", "after-completed"] as const)(
    "%s: the next one completes it, without a gap or a duplicate",
    async (failpoint) => {
      const before = (await client.status()).processors.find((one) => one.name === name);
      const sending = send(60);
      const target = before?.publisher === `${name}.v1.1` ? `${name}.v2.1` : `${name}.v1.1`;
      const { from, to } = await survive(failpoint, (key) => client.cutover(name, { to: target }, { idempotencyKey: key }));
      expect([from, to]).toEqual([before?.publisher, target]);
      await reaches(to, "Serving");
      const status = await reaches(from, "Standby");
      await sending;
      const after = status.processors.find((one) => one.name === name);
      expect(after).toMatchObject({ publisher: to, serving: to });
      expect(after?.intervals).toHaveLength((before?.intervals.length ?? 0) + 1);
      await waitUntil("all outputs", async () =>
        (await committedOutputs(broker.bootstrap, output, partitions)).every((found) => found.length >= sent / partitions),
      );
      for (const found of await committedOutputs(broker.bootstrap, output, partitions)) {
        expect(found.map(({ offset }) => offset)).toEqual(Array.from({ length: sent / partitions }, (_, offset) => offset));
      }
    },
  );

  it("each record was published by the deployment whose interval its position lies in", async () => {
    const { processors } = await client.status();
    const intervals = processors.find((one) => one.name === name)?.intervals ?? [];
    for (const [partition, found] of (await committedOutputs(broker.bootstrap, output, partitions)).entries()) {
      const owner = (offset: number): string | undefined =>
        intervals.find(
          ({ from, to }) => offset >= (from[input]?.[partition] ?? 0) && (to === null || offset < (to[input]?.[partition] ?? 0)),
        )?.deployment;
      expect(found.map(({ deployment }) => deployment)).toEqual(found.map(({ offset }) => owner(offset)));
    }
  });
});

describe("a controller that is killed while it retires", () => {
  it.each(["after-retiring", "after-group-deleted", "after-delta-deleted", "before-retired"] as const)(
    "%s: the next one finishes, and nothing of it is left but its outputs",
    async (failpoint) => {
      const { deployment } = await deploy(3, `retire ${failpoint}`);
      await reaches(deployment, "Starting");
      await survive(failpoint, (key) => client.retire(deployment, { idempotencyKey: key }));
      await reaches(deployment, "Retired");
      const left = await topics();
      expect(left).not.toContain(deltaTopicOf(deployment));
      expect(left).toContain(output);
    },
  );
});
