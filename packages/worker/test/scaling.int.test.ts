import type { GroupProtocol } from "@reprise/kafka";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type ChildWorker, Lab, taskOpenings } from "./support/lab.ts";
import { asText, expectedTotals } from "./support/payments.ts";
import { sendAlways } from "./support/send-always.ts";
import { until } from "./support/until.ts";

const partitions = 6;
let lab: Lab;

beforeAll(async () => {
  // With `consumer` the broker says how long a member may be silent: as long as our own with `classic`, not 45 s.
  lab = await Lab.open({
    "group.consumer.min.session.timeout.ms": "10000",
    "group.consumer.session.timeout.ms": "10000",
    "group.consumer.min.heartbeat.interval.ms": "500",
    "group.consumer.heartbeat.interval.ms": "500",
  });
});

afterEach(() => lab.settle());
afterAll(() => lab.close());

const sorted = (numbers: readonly number[]): number[] => [...numbers].sort((a, b) => a - b);
const everyPartition = Array.from({ length: partitions }, (_, partition) => partition);

async function tasksOf(worker: ChildWorker): Promise<number[]> {
  const health = (await (await fetch(`${await worker.url()}/healthz`)).json()) as {
    readonly tasks: readonly { readonly partition: number }[];
  };
  return sorted(health.tasks.map(({ partition }) => partition));
}

/** What each has, as soon as everything has an owner and each has `least` or more. */
const sharing = (workers: readonly ChildWorker[], least: number): Promise<number[][]> =>
  until(
    `${workers.length} workers to share ${partitions} tasks`,
    async () => {
      const shares = await Promise.all(workers.map(tasksOf));
      const all = sorted(shares.flat());
      return shares.every((share) => share.length >= least) && all.join() === everyPartition.join() && shares;
    },
    90_000,
  );

describe.each<GroupProtocol>(["classic", "consumer"])("with the %s protocol, under load", (groupProtocol) => {
  test("one worker, three, and one again: each record counted once, and no task moves that need not", async () => {
    const deployed = await lab.deploy({ source: "totals", workers: 3, partitions });
    const load = sendAlways(deployed);
    const first = deployed.startChild({ slot: 0, groupProtocol });
    await sharing([first], partitions);
    const others = [1, 2].map((slot) => deployed.startChild({ slot, groupProtocol }));
    const [kept] = (await sharing([first, ...others], 2)) as [number[]];
    for (const { child } of others) await child.stop();
    await sharing([first], partitions);
    const sent = await load.stop();
    await deployed.committedAll();
    expect(sent.length).toBeGreaterThan(1_000);
    expect(asText(await deployed.outputs())).toEqual(expectedTotals(sent, partitions));
    // What stays where it is has never been elsewhere.
    for (const { log } of others) {
      for (const { partition } of taskOpenings(log())) expect(kept).not.toContain(partition);
    }
  });

  test("a rolling restart moves no task, and each goes on from its local store", async () => {
    const deployed = await lab.deploy({ source: "totals", workers: 3, partitions });
    const load = sendAlways(deployed);
    const workers = [0, 1, 2].map((slot) => deployed.startChild({ slot, groupProtocol }));
    const before = await sharing(workers, 2);
    // All of them have something to lose.
    await deployed.committedAll();
    const openedBefore = workers.map(({ log }) => log().length);
    for (const slot of [0, 1, 2]) {
      await workers[slot]?.child.stop();
      const again = deployed.startChild({ slot, groupProtocol });
      await until(`slot ${slot} to have its tasks again`, async () => (await tasksOf(again)).join() === before[slot]?.join());
      const openings = taskOpenings(again.log());
      expect(sorted(openings.map(({ partition }) => partition))).toEqual(before[slot]);
      for (const { how } of openings) expect(how).toMatch(/^local store/);
      // Nobody else has opened anything meanwhile.
      for (const [other, worker] of workers.entries()) {
        if (other !== slot) expect(taskOpenings(worker.log().slice(openedBefore[other]))).toEqual([]);
      }
      workers[slot] = again;
      openedBefore[slot] = again.log().length;
    }
    expect(await sharing(workers, 2)).toEqual(before);
    const sent = await load.stop();
    await deployed.committedAll();
    expect(asText(await deployed.outputs())).toEqual(expectedTotals(sent, partitions));
  });
});
