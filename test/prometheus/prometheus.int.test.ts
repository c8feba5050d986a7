import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunningDev, startDev } from "@reprise/cli";
import type { DeploymentStatus } from "@reprise/controller";
import { groupOf } from "@reprise/engine";
import {
  type Admin,
  createAdmin,
  createGroupOffsets,
  createMembership,
  createRecordProducer,
  createTransactionalWriter,
  type RecordProducer,
} from "@reprise/kafka";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../demo/until.ts";
import { findPrometheus, type Prometheus, type PrometheusPrograms, promtoolCheck, type Sample, startPrometheus } from "./prometheus.ts";

const patienceMs = 60_000;
const partitions = 3;
const found = findPrometheus();
if (typeof found === "string") console.warn(`The tests with Prometheus are left out: ${found}`);

describe.skipIf(typeof found === "string")("Prometheus", () => {
  const programs = found as PrometheusPrograms;
  const name = `sales-${Date.now().toString(36)}`;
  const input = `${name}-in`;
  const output = `${name}-out`;
  /** Version 3 stops in front of it, in the partition of its key. */
  const poisonSeq = 3_100;
  let folder: string;
  let dev: RunningDev;
  let admin: Admin;
  let producer: RecordProducer;
  let prometheus: Prometheus;
  let v1: string;
  let v2: string;
  let v3: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "reprise-metrics-"));
    dev = await startDev({ folder: join(folder, "dev"), stabilityMs: 500, brokerHeapMb: 384 });
    admin = createAdmin({ bootstrap: dev.bootstrap });
    producer = createRecordProducer({ bootstrap: dev.bootstrap });
    prometheus = await startPrometheus(programs);
    await admin.createTopics([{ name: input, partitions }]);
    await send(0, 3_000);
    v1 = await dev.deploy(fileOf(1));
    await reaches(v1, "Serving");
    await committedAll(v1);
    v2 = await dev.deploy(fileOf(2));
    await reaches(v2, "CaughtUp");
    await committedAll(v2);
    v3 = await dev.deploy(fileOf(3));
    await reaches(v3, "CaughtUp");
    await send(3_000, 3_400);
    await reaches(v3, "Failed");
    await committedAll(v1);
    await committedAll(v2);
    prometheus.scrape([dev.controllerUrl, ...(await workerUrls())]);
    await prometheus.scraped();
  });

  afterAll(async () => {
    await prometheus?.stop();
    await producer?.close();
    await admin?.close();
    await dev?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  function fileOf(version: number): string {
    const file = join(folder, `sales-v${version}.ts`);
    const fault = version === 3 ? `if (seq === ${poisonSeq}) throw new Error("poison");` : "";
    writeFileSync(
      file,
      `import { json, key, processor, s, state, topic } from "reprise";
       const shop = key("shop", s.string);
       const Sale = s.record("Sale", { seq: s.int });
       const Count = s.record("Count", { seq: s.int, count: s.int });
       export default processor({
         name: "${name}", version: ${version}, key: shop,
         inputs: { sales: topic("${input}", { key: shop, value: json(Sale) }) },
         outputs: { counts: topic("${output}", { key: shop, value: json(Count) }) },
         state: { count: state.value(s.int, { initial: 0, view: true }) },
       }).handle({ on: { sales({ seq }, ctx) {
         ${fault}
         const count = ctx.state.count.get() + 1;
         ctx.state.count.set(count);
         ctx.out.counts.emit({ seq, count });
       } } });`,
    );
    return file;
  }

  async function send(from: number, to: number): Promise<void> {
    await Promise.all(
      Array.from({ length: to - from }, (_, i) => {
        const seq = from + i;
        return producer.send(input, null, Buffer.from(`shop-${seq % 40}`), Buffer.from(JSON.stringify({ seq })));
      }),
    );
  }

  const deploymentOf = async (id: string): Promise<DeploymentStatus> =>
    (await dev.client.status()).deployments.find((one) => one.id === id) as DeploymentStatus;

  const reaches = (id: string, state: DeploymentStatus["state"]): Promise<true> =>
    until(`${id} to be ${state}`, patienceMs, async () => (await deploymentOf(id)).state === state || undefined);

  async function committed(id: string): Promise<number[]> {
    const offsets = createGroupOffsets({ bootstrap: dev.bootstrap });
    try {
      const asked = Array.from({ length: partitions }, (_, partition) => ({ topic: input, partition }));
      const records = await offsets.committed(groupOf(id), asked);
      return asked.map(({ partition }) => records.find((one) => one.partition === partition)?.offset ?? 0);
    } finally {
      await offsets.close();
    }
  }

  const committedAll = (id: string): Promise<true> =>
    until(`${id} to commit everything`, patienceMs, async () => {
      const [at, ends] = [await committed(id), await admin.endOffsets(input)];
      return ends.every((end, partition) => at[partition] === end) || undefined;
    });

  const workerUrls = async (): Promise<string[]> =>
    (await dev.client.status()).deployments.flatMap(({ workers }) => workers.map(({ url }) => url));

  /** Waits until what Prometheus knows is so. */
  async function shows(expression: string, check: (samples: readonly Sample[]) => void): Promise<void> {
    let last: unknown;
    await until(`${expression} as expected`, 20_000, async () => {
      try {
        check(await prometheus.query(expression));
        return true;
      } catch (error) {
        last = error;
        return undefined;
      }
    }).catch(() => {
      throw last;
    });
  }

  const perPartition = (samples: readonly Sample[]): { [partition: string]: number } =>
    Object.fromEntries(samples.map(({ labels, value }) => [labels["partition"] as string, value]));
  const one = (samples: readonly Sample[]): number => {
    expect(samples).toHaveLength(1);
    return (samples[0] as Sample).value;
  };
  const of = (version: number): string => `processor="${name}",version="${version}"`;
  const byIndex = (values: readonly number[]): { [partition: string]: number } =>
    Object.fromEntries(values.map((value, i) => [String(i), value]));

  test("likes both pages", async () => {
    for (const url of [dev.controllerUrl, ...(await workerUrls())]) {
      const page = await (await fetch(`${url}/metrics`)).text();
      expect(page.length).toBeGreaterThan(1_000);
      expect(await promtoolCheck(programs, page)).toBe("");
    }
    // The check is one: it has something to say against a page that is wrong.
    expect(await promtoolCheck(programs, "reprise_things 1\n")).not.toBe("");
  });

  test("knows where each task is, how far the log goes, and that a publisher at its end has no lag", async () => {
    const ends = await admin.endOffsets(input);
    for (const metric of ["reprise_position", "reprise_committed_position", "reprise_end_offset"]) {
      for (const version of [1, 2]) {
        await shows(`${metric}{${of(version)},topic="${input}"}`, (samples) => expect(perPartition(samples)).toEqual(byIndex(ends)));
      }
    }
    const none = byIndex(ends.map(() => 0));
    for (const metric of [
      "reprise_lag_records",
      "reprise_lag_seconds",
      "reprise_publisher_lag_records",
      "reprise_publisher_lag_seconds",
      "reprise_unstable_records",
    ]) {
      await shows(`${metric}{${of(1)},topic="${input}"}`, (samples) => expect(perPartition(samples)).toEqual(none));
      await shows(`${metric}{${of(2)},topic="${input}"}`, (samples) => expect(perPartition(samples)).toEqual(none));
    }
    for (const metric of ["reprise_committed_lag_records", "reprise_committed_lag_seconds"])
      await shows(`${metric}{${of(1)},topic="${input}"}`, (samples) => expect(perPartition(samples)).toEqual(none));
  });

  test("counts records, outputs and commits, and knows how long they took", async () => {
    for (const version of [1, 2])
      await shows(`sum(reprise_records_total{${of(version)},topic="${input}"})`, (s) => expect(one(s)).toBe(3_400));
    await shows(`reprise_output_records_total{${of(1)},topic="${output}"}`, (s) => expect(one(s)).toBe(3_400));
    // A follower publishes nothing.
    await shows(`sum(reprise_output_records_total{${of(2)}}) or vector(0)`, (s) => expect(one(s)).toBe(0));
    await shows(`reprise_commits_total{${of(1)}}`, (s) => expect(one(s)).toBeGreaterThan(0));
    await shows(`reprise_commits_total{${of(1)}} - on(deployment) reprise_commit_duration_seconds_count`, (s) => expect(one(s)).toBe(0));
    await shows(`sum(reprise_batch_records_sum{${of(1)}})`, (s) => expect(one(s)).toBe(3_400));
    await shows(`reprise_batch_duration_seconds_sum{${of(1)}}`, (s) => expect(one(s)).toBeGreaterThan(0));
    await shows(`reprise_commit_duration_seconds_sum{${of(1)}}`, (s) => expect(one(s)).toBeGreaterThan(0));
    // Rates come from counters that go on.
    await send(3_400, 3_600);
    await committedAll(v1);
    await shows(`sum(increase(reprise_records_total{${of(1)}}[1m]))`, (s) => expect(one(s)).toBeGreaterThan(0));
    await shows(`sum(rate(reprise_commits_total{${of(1)}}[1m]))`, (s) => expect(one(s)).toBeGreaterThan(0));
  });

  test("knows the size of the state and what the cache is good for", async () => {
    await shows(`reprise_state_bytes{${of(1)}}`, (samples) => {
      expect(samples.map(({ labels }) => labels["partition"]).toSorted()).toEqual(["0", "1", "2"]);
      for (const { value } of samples) expect(value).toBeGreaterThan(1_000);
    });
    // 40 shops: each record finds its row in the cache but for the first of its shop at most.
    await shows(`sum(reprise_cache_hits_total{${of(1)}})`, (s) => expect(one(s)).toBeGreaterThanOrEqual(3_400 - 40));
    await shows(`sum(reprise_cache_misses_total{${of(1)}})`, (s) => expect(one(s)).toBeLessThanOrEqual(40));
  });

  test("knows what deployments are and how far their replays are", async () => {
    await shows(`reprise_leader`, (s) => expect(one(s)).toBe(1));
    for (const [version, state] of [
      [1, "Serving"],
      [2, "CaughtUp"],
      [3, "Failed"],
    ] as const) {
      await shows(`reprise_deployment_state{${of(version)}} == 1`, (samples) => {
        expect(samples.map(({ labels }) => labels["state"])).toEqual([state]);
      });
      await shows(`count(reprise_deployment_state{${of(version)}})`, (s) => expect(one(s)).toBe(11));
    }
    for (const [version, publishing] of [
      [1, 1],
      [2, 0],
    ] as const) {
      await shows(`reprise_publishing{${of(version)}}`, (s) => expect(one(s)).toBe(publishing));
      await shows(`reprise_replay_progress_ratio{${of(version)}}`, (s) => expect(one(s)).toBe(1));
    }
  });

  test("knows how far a task that failed is behind the log and the publisher, in records and in seconds, and how far its replay got", async () => {
    const ends = await admin.endOffsets(input);
    const at = await committed(v3);
    const behind = ends.map((end, partition) => end - (at[partition] as number));
    // One task is stuck, the others are at the end.
    expect(behind.filter((records) => records > 0)).toHaveLength(1);
    const stuck = String(behind.findIndex((records) => records > 0));
    for (const metric of [
      "reprise_lag_records",
      "reprise_publisher_lag_records",
      "reprise_committed_lag_records",
      "reprise_committed_publisher_lag_records",
    ])
      await shows(`${metric}{${of(3)},topic="${input}"}`, (samples) => expect(perPartition(samples)).toEqual(byIndex(behind)));
    for (const metric of [
      "reprise_lag_seconds",
      "reprise_publisher_lag_seconds",
      "reprise_committed_lag_seconds",
      "reprise_committed_publisher_lag_seconds",
    ]) {
      await shows(`${metric}{${of(3)},topic="${input}"}`, (samples) => {
        for (const { labels, value } of samples) {
          if (labels["partition"] === stuck) expect(value).toBeGreaterThan(1);
          else expect(value).toBe(0);
        }
        expect(samples).toHaveLength(partitions);
      });
      // It grows with the wall clock: nothing comes, and it is later and later.
      await shows(`delta(${metric}{${of(3)},partition="${stuck}"}[4s])`, (s) => expect(one(s)).toBeGreaterThan(0.5));
    }
    await shows(`reprise_tasks{${of(3)},state="failed"}`, (s) => expect(one(s)).toBe(1));
    await shows(`reprise_tasks{${of(3)},state="following"}`, (s) => expect(one(s)).toBe(partitions - 1));
    await shows(`reprise_tasks{${of(1)},state="publishing"}`, (s) => expect(one(s)).toBe(partitions));
    const total = ends.reduce((sum, end) => sum + end, 0);
    const done = at.reduce((sum, offset) => sum + offset, 0);
    await shows(`reprise_replay_progress_ratio{${of(3)}}`, (s) => expect(one(s)).toBeCloseTo(done / total, 6));
  });

  test("tells a follower's lag to the log from its lag to the publisher", async () => {
    const before = await committed(v2);
    const [pid] = dev.workerPids(v1);
    // The publisher stands still, and with it its followers; the log grows.
    process.kill(pid as number, "SIGSTOP");
    try {
      await send(3_600, 4_200);
      const ends = await admin.endOffsets(input);
      const behind = ends.map((end, partition) => end - (before[partition] as number));
      expect(behind.reduce((sum, records) => sum + records, 0)).toBe(600);
      await shows(`reprise_lag_records{${of(2)}}`, (samples) => expect(perPartition(samples)).toEqual(byIndex(behind)));
      await shows(`min(reprise_lag_seconds{${of(2)}})`, (s) => expect(one(s)).toBeGreaterThan(0.5));
      await shows(`reprise_publisher_lag_records{${of(2)}}`, (samples) =>
        expect(perPartition(samples)).toEqual(byIndex(ends.map(() => 0))),
      );
      await shows(`max(reprise_publisher_lag_seconds{${of(2)}})`, (s) => expect(one(s)).toBe(0));
      // Of the one that stands still itself, the controller tells.
      await shows(`reprise_committed_lag_records{${of(1)}}`, (samples) => expect(perPartition(samples)).toEqual(byIndex(behind)));
      await shows(`min(reprise_committed_lag_seconds{${of(1)}})`, (s) => expect(one(s)).toBeGreaterThan(0.5));
    } finally {
      process.kill(pid as number, "SIGCONT");
    }
    await committedAll(v2);
    await shows(`sum(reprise_lag_records{${of(2)}})`, (s) => expect(one(s)).toBe(0));
    await shows(`max(reprise_lag_seconds{${of(2)}})`, (s) => expect(one(s)).toBe(0));
  });

  test("shows what an open transaction holds back, and for how long", async () => {
    const connection = { bootstrap: dev.bootstrap };
    const membership = createMembership({ ...connection, groupId: `${name}-writer`, groupInstanceId: "writer", topic: input });
    const writer = createTransactionalWriter({ ...connection, transactionalId: `${name}-writer`, consumer: membership.consumer });
    await writer.init();
    await writer.begin();
    for (let i = 0; i < 5; i++) writer.produce(input, 1, Buffer.from("shop-0"), Buffer.from("{}"), Date.now());
    await shows(`reprise_unstable_records{${of(1)}}`, (samples) => expect(perPartition(samples)).toEqual({ 0: 0, 1: 5, 2: 0 }));
    await shows(`reprise_unstable_seconds{${of(1)},partition="1"}`, (s) => expect(one(s)).toBeGreaterThan(1));
    await shows(`reprise_unstable_seconds{${of(1)},partition="0"}`, (s) => expect(one(s)).toBe(0));
    // It is not late: there is nothing that it could read.
    await shows(`sum(reprise_lag_records{${of(1)}})`, (s) => expect(one(s)).toBe(0));
    expect(await writer.abort()).toMatchObject({ kind: "aborted" });
    await writer.close();
    await membership.leave();
    await shows(`sum(reprise_unstable_records{${of(1)}})`, (s) => expect(one(s)).toBe(0));
    await shows(`sum(reprise_unstable_seconds{${of(1)}})`, (s) => expect(one(s)).toBe(0));
  });

  test("sees a cutover, and one that was refused", async () => {
    await until(`${v2} to have caught up again`, patienceMs, async () => {
      return dev.client.cutover(name, { to: v2 }).then(
        () => true as const,
        () => undefined,
      );
    });
    await reaches(v2, "Serving");
    await shows(`reprise_cutovers_total{processor="${name}",outcome="cutover"}`, (s) => expect(one(s)).toBe(1));
    await shows(`reprise_cutover_duration_seconds_count{processor="${name}"}`, (s) => expect(one(s)).toBe(1));
    await shows(`reprise_deployment_state{${of(1)}} == 1`, (samples) =>
      expect(samples.map(({ labels }) => labels["state"])).toEqual(["Standby"]),
    );
    await shows(`reprise_publishing{processor="${name}"} == 1`, (samples) =>
      expect(samples.map(({ labels }) => labels["deployment"])).toEqual([v2]),
    );
    const cut = (await dev.client.status()).processors.find((each) => each.name === name)?.intervals.at(-1)?.from[input] as number[];
    await shows(`reprise_publication_interval_start_offset{${of(2)},topic="${input}"}`, (samples) =>
      expect(perPartition(samples)).toEqual(byIndex(cut)),
    );
    await shows(`reprise_publication_interval_end_offset{${of(1)},topic="${input}"}`, (samples) =>
      expect(perPartition(samples)).toEqual(byIndex(cut)),
    );

    await expect(dev.client.cutover(name, { to: v3 })).rejects.toMatchObject({ code: "ILLEGAL_STATE" });
    await shows(`reprise_cutovers_total{processor="${name}",outcome="ILLEGAL_STATE"}`, (s) => expect(one(s)).toBe(1));
    await send(4_200, 4_300);
    await committedAll(v2);
    await shows(`reprise_output_records_total{${of(2)},topic="${output}"}`, (s) => expect(one(s)).toBe(100));
  });
});
