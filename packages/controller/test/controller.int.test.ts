import { type EmbeddedBroker, createAdmin, createRecordProducer, startEmbeddedBroker } from "@reprise/kafka";
import { groupOf, deltaTopicOf } from "@reprise/engine";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ControllerClient, type RunningController, startController, type Status } from "../src/index.ts";
import { committedOutputs, type FakeOutput } from "./support/committed-outputs.ts";
import { FakeWorker } from "./support/fake-worker.ts";
import { artifactOf, manifestOf } from "./support/manifest.ts";
import { waitUntil } from "./support/wait-until.ts";

// A broker of its own: there is one control topic per cluster, and other packages' tests write to it.
let broker: EmbeddedBroker;
let controller: RunningController;
let client: ControllerClient;
const logger = pino({ level: process.env.REPRISE_LOG_LEVEL ?? "silent" });
const workers: FakeWorker[] = [];

const start = (takeOver = true): Promise<RunningController> =>
  startController({ bootstrap: broker.bootstrap, port: 0, stabilityMs: 500, intervalMs: 50, takeOver, logger });

const stateOf = (status: Status, id: string): string | undefined => status.deployments.find((one) => one.id === id)?.state;

async function reaches(id: string, state: string): Promise<Status> {
  return waitUntil(`${id} to be ${state}`, async () => {
    const status = await client.status();
    return stateOf(status, id) === state ? status : undefined;
  });
}

async function createTopic(name: string, partitions: number): Promise<void> {
  const admin = createAdmin({ bootstrap: broker.bootstrap });
  await admin.createTopics([{ name, partitions }]);
  await admin.close();
}

async function send(topic: string, partitions: number, count: number): Promise<void> {
  const producer = createRecordProducer({ bootstrap: broker.bootstrap });
  await Promise.all(
    Array.from({ length: count }, (_, i) => producer.send(topic, i % partitions, Buffer.from(`k${i}`), Buffer.from(String(i)))),
  );
  await producer.close();
}

function work(deployment: string, step?: number): FakeWorker {
  const worker = new FakeWorker({ bootstrap: broker.bootstrap, deployment, ...(step === undefined ? {} : { step }) });
  workers.push(worker);
  return worker;
}

const outputs = (topic: string, partitions: number): Promise<FakeOutput[][]> => committedOutputs(broker.bootstrap, topic, partitions);

beforeAll(async () => {
  broker = await startEmbeddedBroker({ heapMb: 384 });
  controller = await start();
  client = new ControllerClient(controller.url, { by: "tester" });
  await waitUntil("the controller to lead", () => controller.leading);
});

afterAll(async () => {
  await Promise.all(workers.map((worker) => worker.stop()));
  await controller?.close();
  await broker?.stop();
});

const rejects = async (promise: Promise<unknown>, code: string, part: string): Promise<void> => {
  await expect(promise).rejects.toMatchObject({ code });
  await expect(promise).rejects.toThrow(part);
};

describe("a deployment with a rekeyed input", () => {
  it("has an internal topic from its creation until it is retired, and takes part in no cutover", async () => {
    await createTopic("clicks", 3);
    await createTopic("prices", 2);
    const deploy = (version: number, options = {}) =>
      client.deploy(
        { manifest: manifestOf("rekeyed", version, { inputs: ["prices"], rekeyed: ["clicks"] }), artifact: artifactOf(String(version)) },
        options,
      );
    const first = await deploy(1, { idempotencyKey: "rekeyed-1" });
    expect(await deploy(1, { idempotencyKey: "rekeyed-1" })).toEqual(first);
    const second = await deploy(2);
    const admin = createAdmin({ bootstrap: broker.bootstrap });
    const internal = ["reprise.rekeyed.v1.1.clicks-by-word", "reprise.rekeyed.v1.2.clicks-by-word", "reprise.rekeyed.v2.1.clicks-by-word"];
    const there = async () => [...(await admin.describeTopics(internal)).values()].map(({ name, partitions }) => [name, partitions]);
    expect(await there()).toEqual([
      [internal[0], 2],
      [internal[2], 2],
    ]);
    await rejects(client.cutover("rekeyed", { force: ["not-caught-up"] }), "NOT_SUPPORTED", "rekeys 'clicks'");
    await client.retire(second.deployment);
    await reaches(second.deployment, "Retired");
    expect(await there()).toEqual([[internal[0], 2]]);
    // What lags is the source, which nobody routes, and what was routed.
    const status = await client.status();
    const topics = status.deployments.find(({ id }) => id === first.deployment)?.progress?.partitions.map(({ topic }) => topic);
    expect(new Set(topics)).toEqual(new Set(["prices", internal[0], "clicks"]));
    await admin.close();
  });
});

describe("a deployment is refused", () => {
  const deploy = (manifest: Record<string, unknown>, more: object = {}): Promise<unknown> =>
    client.deploy({ manifest, artifact: artifactOf("a"), ...more });

  it("when its processor's name is not allowed", async () => {
    await rejects(deploy(manifestOf("Bad Name", 1, { inputs: ["refused-2"] })), "INVALID_NAME", "Bad Name");
  });

  it("when an input topic is missing, which is named", async () => {
    await rejects(deploy(manifestOf("refused", 1, { inputs: ["no-such-topic"] })), "TOPIC_MISSING", "no-such-topic");
  });

  it("when its inputs have different partition counts, which are named", async () => {
    await createTopic("refused-2", 2);
    await createTopic("refused-3", 3);
    await rejects(
      deploy(manifestOf("refused", 1, { inputs: ["refused-2", "refused-3"] })),
      "PARTITIONS_DIFFER",
      "'refused-2' has 2, 'refused-3' has 3",
    );
  });

  it("when its parameters do not fit", async () => {
    const params = { format: "avro", kind: "record", avro: { type: "record", name: "P", fields: [{ name: "limit", type: "long" }] } };
    const manifest = manifestOf("refused", 1, { inputs: ["refused-2"], params });
    await rejects(deploy(manifest, { params: { limit: "many" } }), "INVALID_ARGUMENT", "limit");
    await rejects(
      deploy(manifestOf("refused", 1, { inputs: ["refused-2"] }), { params: { limit: 1 } }),
      "INVALID_ARGUMENT",
      "takes no parameters",
    );
  });

  it("when what is sent is no manifest or no hash", async () => {
    await rejects(deploy({ hello: 1 }), "INVALID_DECLARATION", "format");
    await rejects(
      client.deploy({ manifest: manifestOf("refused", 1, { inputs: ["refused-2"] }), artifact: "abc" }),
      "INVALID_ARGUMENT",
      "artifact",
    );
  });

  it("when the log has moved on since it was looked at", async () => {
    await rejects(
      client.deploy(
        { manifest: manifestOf("refused", 1, { inputs: ["refused-2"] }), artifact: artifactOf("a") },
        { expectedRevision: 999 },
      ),
      "REVISION_CONFLICT",
      "999",
    );
  });
});

describe("two versions of a processor", () => {
  const name = "words";
  const input = "words-in";
  const output = "words-out";
  const partitions = 2;
  const count = 200;
  let v1: FakeWorker;
  let first = "";
  let second = "";

  it("the first one publishes from its start and serves when all tasks have committed", async () => {
    await createTopic(input, partitions);
    await send(input, partitions, count);
    const request = { manifest: manifestOf(name, 1, { inputs: [input], outputs: [output] }), artifact: artifactOf("a") };
    const answer = await client.deploy(request, { idempotencyKey: "deploy-words-1" });
    expect(answer).toMatchObject({ deployment: "words.v1.1", publishes: true });
    // The same command again: the same answer, no other deployment.
    await expect(client.deploy(request, { idempotencyKey: "deploy-words-1" })).resolves.toEqual(answer);
    first = answer.deployment;
    await reaches(first, "Starting");
    v1 = work(first);
    const status = await reaches(first, "Serving");
    expect(status.deployments.filter((one) => one.processor === name)).toHaveLength(1);
    expect(status.processors.find((one) => one.name === name)).toMatchObject({ serving: first, publisher: first });
  });

  it("the same version with other code is refused", async () => {
    const changed = client.deploy({ manifest: manifestOf(name, 1, { inputs: [input], outputs: [output] }), artifact: artifactOf("b") });
    await rejects(changed, "VERSION_FROZEN", "Version 1 of 'words'");
  });

  it("another processor can't write the same topic", async () => {
    const other = client.deploy({ manifest: manifestOf("thief", 1, { inputs: [input], outputs: [output] }), artifact: artifactOf("c") });
    await rejects(other, "DECLARATION_CONFLICT", "'words-out' is written by processor 'words'");
  });

  it("a cutover before it has caught up is refused, naming the state", async () => {
    const answer = await client.deploy({
      manifest: manifestOf(name, 2, { inputs: [input], outputs: [output] }),
      artifact: artifactOf("d"),
    });
    expect(answer).toMatchObject({ deployment: "words.v2.1", publishes: false });
    second = answer.deployment;
    await reaches(second, "Starting");
    await rejects(client.cutover(name), "NOT_CAUGHT_UP", "it is Starting");
    await rejects(client.cutover(name, { force: ["everything"] }), "INVALID_ARGUMENT", "'everything'");
    await rejects(client.cutover("nothing"), "PROCESSOR_UNKNOWN", "'nothing'");
    await rejects(client.cutover(name, { to: "words.v9.1" }), "DEPLOYMENT_UNKNOWN", "words.v9.1");
    await rejects(client.cutover(name, { to: 1 }), "ILLEGAL_STATE", "publishes already");
    await rejects(client.rollback(name), "ILLEGAL_STATE", "no other deployment has published");
  });

  it("the second one replays, catches up and tells its progress", async () => {
    work(second);
    const status = await reaches(second, "CaughtUp");
    const progress = status.deployments.find((one) => one.id === second)?.progress;
    expect(progress).toMatchObject({ live: true, publisherLag: { records: 0 } });
    expect(progress?.processedRecords).toBeGreaterThanOrEqual(count);
  });

  it("the cutover leaves neither a gap nor a duplicate, and queries switch", async () => {
    const sending = send(input, partitions, count);
    const { from, to } = await client.cutover(name, {}, { idempotencyKey: "cut-1" });
    expect([from, to]).toEqual([first, second]);
    const status = await reaches(second, "Serving");
    await sending;
    await reaches(first, "Standby");
    await expect(client.cutover(name, {}, { idempotencyKey: "cut-1" })).resolves.toMatchObject({ from, to });
    const words = status.processors.find((one) => one.name === name);
    expect(words).toMatchObject({ serving: second, publisher: second });
    expect(words?.lastCutover?.durationMs).toBeGreaterThan(0);
    await seamIsExact(2 * count);
  });

  it("the gateway answers from the serving deployment and hands the query on", async () => {
    const answer = await client.view(name, "totals", "k1", { entry: "x" });
    expect(answer).toMatchObject({ deployment: second, value: { view: "totals", query: "entry=x" } });
    await expect(client.view(name, "totals", "nobody")).resolves.toBeUndefined();
    await rejects(client.view(name, "hidden", "k1"), "VIEW_UNKNOWN", "totals");
  });

  it("a rollback goes to the one that published before", async () => {
    const sending = send(input, partitions, count);
    await expect(client.rollback(name)).resolves.toMatchObject({ from: second, to: first });
    await reaches(first, "Serving");
    await sending;
    await reaches(second, "Standby");
    await seamIsExact(3 * count);
    const status = await client.status();
    expect(status.processors.find((one) => one.name === name)?.intervals).toHaveLength(3);
  });

  it("the metrics tell states, intervals, progress and what cutovers there were", async () => {
    const page = await (await fetch(`${controller.url}/metrics`)).text();
    const labels = (id: string, version: number): string => `processor="words",version="${version}",deployment="${id}"`;
    expect(page).toContain(`reprise_deployment_state{${labels(first, 1)},state="Serving"} 1`);
    expect(page).toContain(`reprise_deployment_state{${labels(second, 2)},state="Serving"} 0`);
    expect(page).toContain(`reprise_publishing{${labels(first, 1)}} 1`);
    expect(page).toContain(`reprise_publication_intervals{${labels(first, 1)}} 2`);
    expect(page).toContain(`reprise_replay_progress_ratio{${labels(first, 1)}} 1`);
    expect(page).toContain('reprise_cutovers_total{processor="words",outcome="cutover"} 1');
    expect(page).toContain('reprise_cutovers_total{processor="words",outcome="rollback"} 1');
    expect(page).toContain('reprise_cutovers_total{processor="words",outcome="NOT_CAUGHT_UP"} 1');
    expect(page).toContain('reprise_cutover_duration_seconds_count{processor="words"} 2');
    expect(page).toContain("reprise_leader 1");
  });

  it("a failure that a worker announces is shown with its reason, and goes by", async () => {
    v1.fail("division by zero");
    const failed = await reaches(first, "Failed");
    expect(failed.deployments.find((one) => one.id === first)?.reason).toContain("division by zero");
    v1.fail(undefined);
    await reaches(first, "Serving");
  });

  it("retiring the publisher is refused; retiring the standby removes what is its own and no output", async () => {
    await rejects(client.retire(first), "ILLEGAL_STATE", "it publishes");
    await client.retire(second);
    await reaches(second, "Retired");
    const admin = createAdmin({ bootstrap: broker.bootstrap });
    const topics = await admin.listTopics();
    await admin.close();
    expect(topics).toContain(output);
    expect(topics).toContain(deltaTopicOf(first));
    expect(topics).not.toContain(deltaTopicOf(second));
    await rejects(client.retire(second), "ILLEGAL_STATE", "Retired already");
    await rejects(client.rollback(name), "ILLEGAL_STATE", "is Retired, not Standby");
    expect(groupOf(second)).toBe("reprise.words.v2.1");
  });

  async function seamIsExact(records: number): Promise<void> {
    await waitUntil("all outputs", async () => (await outputs(output, partitions)).every((found) => found.length >= records / partitions));
    for (const found of await outputs(output, partitions)) {
      expect(found.map(({ offset }) => offset)).toEqual(Array.from({ length: records / partitions }, (_, offset) => offset));
    }
  }
});

describe("a second controller", () => {
  it("waits while the first one leads, and its clients are sent to the leader", async () => {
    const standby = await start(false);
    try {
      await rejects(
        fetch(`${standby.url}/status`).then(async (response) =>
          Promise.reject(Object.assign(new Error(await response.text()), { code: response.status === 503 ? "NOT_LEADER" : "?" })),
        ),
        "NOT_LEADER",
        controller.url,
      );
      const following = new ControllerClient(standby.url);
      expect((await following.status()).controller.url).toBe(controller.url);
    } finally {
      await standby.close();
    }
  });

  it("takes over with everything that was decided, and fences the first one", async () => {
    const before = await client.status();
    const other = await start(true);
    try {
      await waitUntil("the other one to lead", () => other.leading);
      const after = await new ControllerClient(other.url).status();
      expect(after.processors.map((one) => [one.name, one.publisher, one.intervals])).toEqual(
        before.processors.map((one) => [one.name, one.publisher, one.intervals]),
      );
      // The first one does not know yet; its next event is refused, and it steps down.
      const answer = await fetch(`${controller.url}/deployments`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ manifest: manifestOf("late", 1, { inputs: ["words-in"] }), artifact: artifactOf("e") }),
      });
      expect(answer.status).toBe(503);
      expect(((await answer.json()) as { error: { code: string } }).error.code).toBe("NOT_LEADER");
      expect(controller.leading).toBe(false);
      expect((await new ControllerClient(other.url).status()).deployments.some((one) => one.processor === "late")).toBe(false);
    } finally {
      await other.close();
    }
    // It left cleanly, so the first one need not wait until its heartbeat is old; but it was fenced a moment ago.
    await waitUntil("the first one to lead again", () => controller.leading, 20_000);
  });
});
