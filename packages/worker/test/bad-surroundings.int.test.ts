import { once } from "node:events";
import { appendFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { controlTopic, groupOf } from "@reprise/engine";
import type { WorkerOptions } from "@reprise/worker";
import { startWorker } from "@reprise/worker";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startChild } from "../../../test/support/child-process.ts";
import { canMount, mountSmallDisk } from "../../../test/support/small-disk.ts";
import { checkpointsOf } from "./support/checkpoint-files.ts";
import { failuresOf, healthOf } from "./support/health.ts";
import { type Deployed, failureOf, Lab } from "./support/lab.ts";
import { asRecords, asText, expectedTotals, payments } from "./support/payments.ts";
import { until } from "./support/until.ts";

let lab: Lab;

beforeAll(async () => {
  lab = await Lab.open();
});

afterAll(() => lab.close());

/** What a worker that does not get to work says. */
async function refusal(deployed: Deployed, given: Partial<WorkerOptions> = {}): Promise<ReturnType<typeof failureOf>> {
  return failureOf(
    await startWorker(deployed.options({ logger: pino({ level: "silent" }), ...given }))
      .then(({ done }) => done)
      .catch((error: unknown) => error),
  );
}

describe("a worker refuses to start", () => {
  test("when no broker answers, and names the address", async () => {
    const closed = createServer().listen(0, "127.0.0.1");
    await once(closed, "listening");
    const { port } = closed.address() as { port: number };
    closed.close();
    const deployed = await lab.deploy({ source: "totals" });
    const { code, message } = await refusal(deployed, { bootstrap: `127.0.0.1:${port}`, reachableTimeoutMs: 1_000 });
    expect(code).toBe("BROKER_UNREACHABLE");
    expect(message).toContain(`127.0.0.1:${port}`);
  });

  test("when its deployment does not exist, or its slot is none of it", async () => {
    const deployed = await lab.deploy({ source: "totals", workers: 2 });
    expect(await refusal(deployed, { deployment: "totals.v9.1" })).toMatchObject({
      code: "DEPLOYMENT_UNKNOWN",
      message: expect.stringContaining("totals.v9.1") as string,
    });
    expect(await refusal(deployed, { slot: 2 })).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("slot 2") as string,
    });
  });

  test("when its artifact is missing, or is not the one that was deployed", async () => {
    const deployed = await lab.deploy({ source: "totals" });
    const file = join(lab.folder, "artifacts", `${deployed.names.processor}@1`, deployed.spec.artifact, "processor.mjs");
    expect(await refusal(deployed, { artifactFolder: join(lab.folder, "elsewhere") })).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining(join(lab.folder, "elsewhere")) as string,
    });
    appendFileSync(file, "\n// one more line\n");
    expect(await refusal(deployed)).toMatchObject({ code: "VERSION_FROZEN", message: expect.stringContaining(file) as string });
  });

  test("when an input topic, or an output topic, is missing, and names it", async () => {
    const [one, two] = [await lab.deploy({ source: "totals" }), await lab.deploy({ source: "totals" })];
    await lab.admin.deleteTopics([one.input, two.output]);
    expect(await refusal(one)).toMatchObject({ code: "TOPIC_MISSING", message: expect.stringContaining(one.input) as string });
    expect(await refusal(two)).toMatchObject({ code: "TOPIC_MISSING", message: expect.stringContaining(two.output) as string });
  });

  test("when an input topic was created anew, or has other partitions, and names it", async () => {
    const [one, two] = [await lab.deploy({ source: "totals" }), await lab.deploy({ source: "totals" })];
    await lab.admin.deleteTopics([one.input]);
    await lab.admin.createTopics([{ name: one.input, partitions: 4 }]);
    await lab.admin.addPartitions(two.input, 6);
    expect(await refusal(one)).toMatchObject({ code: "TOPIC_RECREATED", message: expect.stringContaining(one.input) as string });
    expect(await refusal(two)).toMatchObject({
      code: "PARTITIONS_CHANGED",
      message: expect.stringMatching(new RegExp(`${two.input} .*has 6 partitions now, it had 4`)) as string,
    });
  });
});

describe("a task stops rather than jump, and the others of its worker go on", () => {
  const all = payments(2_000);

  async function workedOn(): Promise<Deployed> {
    const deployed = await lab.deploy({ source: "totals" });
    await deployed.send(asRecords(all));
    const { worker } = await deployed.startWorker();
    await deployed.committedAll();
    await worker.stop();
    return deployed;
  }

  test("when records that it has not read are gone, and names where", async () => {
    const deployed = await workedOn();
    const more = payments(500, { from: 2_000 });
    await deployed.send(asRecords(more));
    const before = await deployed.committed();
    const [, end] = await lab.admin.endOffsets(deployed.input);
    await lab.admin.deleteRecords([{ topic: deployed.input, partition: 1, beforeOffset: (end as number) - 1 }]);
    const local = await deployed.startWorker();
    const [failure] = await failuresOf(local, 1);
    expect(failure).toMatchObject({ partition: 1, code: "INPUT_TRUNCATED" });
    expect(failure?.message).toContain(deployed.input);
    expect(failure?.message).toContain(String(before[1]));
    const ends = await lab.admin.endOffsets(deployed.input);
    await until("the others", async () => (await deployed.committed()).every((offset, p) => p === 1 || offset === ends[p]));
    expect((await deployed.committed())[1]).toBe(before[1]);
    expect(await healthOf(local)).toMatchObject({ status: 503, ok: false });
    await local.worker.stop();
    const expected = expectedTotals([...all, ...more]);
    expect(asText(await deployed.outputs()).filter((_, p) => p !== 1)).toEqual(expected.filter((_, p) => p !== 1));
  });

  test("when its committed offsets are gone", async () => {
    const deployed = await workedOn();
    // The group outlives its member by the session time-out: a static member does not leave.
    await until("the group to be empty", () => lab.admin.deleteGroups([groupOf(deployed.id)]).then(() => true), 30_000);
    const local = await deployed.startWorker();
    for (const { code, message } of await failuresOf(local, 4)) {
      expect(code).toBe("DELTAS_LOST");
      expect(message).toContain(deployed.id);
      expect(message).toMatch(/committed offsets are gone/);
    }
    await local.worker.stop();
    expect(asText(await deployed.outputs())).toEqual(expectedTotals(all));
  });

  test("when its topic is deleted and created anew under its hands", async () => {
    const deployed = await lab.deploy({ source: "totals" });
    const local = await deployed.startWorker();
    await deployed.send(asRecords(all));
    await deployed.committedAll();
    await lab.admin.deleteTopics([deployed.input]);
    await lab.admin.createTopics([{ name: deployed.input, partitions: 4 }]);
    await deployed.send(asRecords(payments(50)));
    for (const { code, message } of await failuresOf(local, 4)) {
      expect(["TOPIC_RECREATED", "TOPIC_MISSING"]).toContain(code);
      expect(message).toContain(deployed.input);
    }
    await local.worker.stop();
    expect(asText(await deployed.outputs())).toEqual(expectedTotals(all));
  });
});

describe("a state folder that another process has", () => {
  test("is refused by name, with the other's process id; when it is free, everything goes on", async () => {
    const deployed = await lab.deploy({ source: "totals" });
    const all = payments(2_000);
    await deployed.send(asRecords(all.slice(0, 1_000)));
    const first = await deployed.startWorker();
    await deployed.committedAll();
    await first.worker.stop();

    const folder = join(deployed.stateFolder, deployed.id, "0", "2");
    const holder = startChild("packages/worker/test/children/holder.ts", folder);
    lab.onClose(() => holder.kill());
    await holder.until((line) => line === "open");
    await deployed.send(asRecords(all.slice(1_000)));
    const worker = deployed.startChild();
    const { code, message } = await worker.failure();
    expect(code).toBe("STATE_LOCKED");
    expect(message).toContain(folder);
    expect(message).toContain(`process ${holder.process.pid} `);
    expect(await exitStatus(worker.child.process)).toBe(1);

    await holder.kill();
    const again = await deployed.startWorker();
    await deployed.committedAll();
    await again.worker.stop();
    expect(asText(await deployed.outputs())).toEqual(expectedTotals(all));
  });

  test("a second process in the same slot: one of the two ends for it, the other goes on, and each result comes once", async () => {
    const deployed = await lab.deploy({ source: "totals" });
    const all = payments(6_000);
    const first = deployed.startChild();
    await first.url();
    await deployed.send(asRecords(all.slice(0, 2_000)));
    await deployed.committedAll();
    const second = deployed.startChild();
    const sending = deployed.send(asRecords(all.slice(2_000)));
    const { code, message } = await Promise.race([first.failure(), second.failure()]);
    expect(code).toBe("STATE_LOCKED");
    expect(message).toContain(join(deployed.stateFolder, deployed.id, "0"));
    const pids = [first.child.process.pid, second.child.process.pid];
    expect(pids.some((pid) => message.includes(`process ${pid} `))).toBe(true);
    await sending;
    await deployed.committedAll();
    expect(asText(await deployed.outputs())).toEqual(expectedTotals(all));
  });
});

const exitStatus = async (child: {
  readonly exitCode: number | null;
  once(event: "exit", listener: () => void): unknown;
}): Promise<number | null> => {
  if (child.exitCode === null) await new Promise<void>((resolve) => void child.once("exit", resolve));
  return child.exitCode;
};

describe.skipIf(!canMount())("a full disk", () => {
  /** Text that does not compress. */
  const noise = (seed: number, length: number): string => {
    let state = seed + 1;
    let made = "";
    while (made.length < length) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      made += state.toString(36);
    }
    return made.slice(0, length);
  };
  const count = 3_600;
  // The newest text of each id alone is 5.4 MB: more than is free, however many writes the store is spared.
  const blobs = Array.from({ length: count }, (_, seq) => ({ id: `id-${seq % 1_800}`, seq, text: noise(seq, 3_000 + (seq % 7)) }));

  function expected(): string[] {
    const sums = new Map<string, number>();
    return blobs.map(({ id, seq, text }) => {
      const characters = (sums.get(id) ?? 0) + text.length;
      sums.set(id, characters);
      return `${id} ${JSON.stringify({ seq, characters })}`;
    });
  }

  const megabytes = 64;
  const often = { flushIntervalMs: 200, checkpointIntervalMs: 400, maxCachedKeysPerTask: 50, keptCheckpoints: 1, batchRecords: 100 };
  const send = (deployed: Deployed): Promise<void> =>
    lab.send(
      deployed.input,
      blobs.map(({ id, seq, text }) => ({ key: id, value: { seq, text } })),
    );

  test("under the stateFolder ends the worker with DISK_FULL; with room again it goes on, and nothing is lost", async () => {
    const disk = await mountSmallDisk(megabytes);
    try {
      const deployed = await lab.deploy({ source: "blobs", partitions: 2 });
      const ballast = join(disk.folder, "ballast");
      writeFileSync(ballast, Buffer.alloc(megabytes * 1_048_576 - 3_000_000));
      const given: Partial<WorkerOptions> = { stateFolder: join(disk.folder, "it"), limits: often };
      const { worker } = await deployed.startWorker(given);
      await send(deployed);
      const { code, message } = failureOf(await worker.done.catch((error: unknown) => error));
      expect(code).toBe("DISK_FULL");
      expect(message).toContain(join(disk.folder, "it"));

      rmSync(ballast);
      const again = await deployed.startWorker(given);
      await deployed.committedAll();
      const lines = asText(await deployed.outputs()).flat();
      await again.worker.stop();
      // Order is per partition; each of these lines is there once.
      expect(lines.toSorted()).toEqual(expected().toSorted());
    } finally {
      await lab.settle();
      await disk.unmount();
    }
  });

  test("under the checkpointFolder stops no processing; it is told, and with room again there are checkpoints", async () => {
    const disk = await mountSmallDisk(megabytes);
    try {
      const deployed = await lab.deploy({ source: "blobs", partitions: 2 });
      const ballast = join(disk.folder, "ballast");
      writeFileSync(ballast, Buffer.alloc(megabytes * 1_048_576 - 1_000_000));
      const checkpointFolder = join(disk.folder, "it");
      const { worker, log } = await deployed.startWorker({ checkpointFolder, limits: often });
      await send(deployed);
      await deployed.committedAll();
      expect(
        asText(await deployed.outputs())
          .flat()
          .toSorted(),
      ).toEqual(expected().toSorted());
      await until("a checkpoint that fails", () =>
        log.some(({ msg, err }) => msg === "checkpoint failed" && (err as { code: string }).code === "DISK_FULL"),
      );
      const counted = /reprise_checkpoint_failures_total\{[^}]*reason="DISK_FULL"[^}]*\} [1-9]/;
      await until("its count", async () => counted.test(await (await fetch(`${worker.url}/metrics`)).text()));

      rmSync(ballast);
      const numbers = await Promise.all([0, 1].map(async (partition) => (await deployed.commitRecord(partition)).n));
      const all = { checkpointFolder, id: deployed.id };
      await until("checkpoints of all of it", () => numbers.every((n, partition) => checkpointsOf(all, partition).includes(n)));
      await worker.stop();
    } finally {
      await lab.settle();
      await disk.unmount();
    }
  });
});

describe("a broker that goes away for a while", () => {
  test("is waited for; then everything goes on, and each result comes once", async () => {
    const deployed = await lab.deploy({ source: "totals" });
    const all = payments(20_000);
    const { worker } = await deployed.startWorker({ limits: { batchRecords: 50 } });
    await deployed.send(asRecords(all));
    await until("some of it", async () => (await deployed.committedTotal()) > 500);
    await lab.broker.kill("SIGKILL");
    await lab.broker.restart();
    await deployed.committedAll(90_000);
    expect(asText(await deployed.outputs())).toEqual(expectedTotals(all));
    await worker.stop();
  });
});

// The last one here: nothing can be deployed afterwards.
describe("without a control topic", () => {
  test("a worker refuses to start", async () => {
    const deployed = await lab.deploy({ source: "totals" });
    await lab.admin.deleteTopics([controlTopic]);
    const { code, message } = await refusal(deployed);
    expect(code).toBe("CONTROL_LOST");
    expect(message).toContain("control topic");
  });
});
