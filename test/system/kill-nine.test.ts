import { setTimeout as sleep } from "node:timers/promises";
import { RepriseError } from "@reprise/schema";
import { expect, test } from "vitest";
import { type Arrival, startArrival } from "../demo/arrival.ts";
import { check, firstVersion, load, type Stage, takeOver, theEnd } from "../demo/chapters.ts";
import { type DemoEnvironmentOptions, startEnvironment } from "../demo/environment.ts";
import { openFlightLog } from "../demo/flight-log.ts";
import { follow } from "../demo/follower.ts";
import { createDemoTopics, openFlightLoader } from "../demo/load.ts";
import type { Narrator } from "../demo/narrator.ts";
import { deploymentIn, processorIn } from "../demo/observe.ts";
import { until } from "../demo/until.ts";

const partitions = 4;
const records = 400_000;
const arriving = 60_000;
const patienceMs = 240_000;
const silent: Narrator = { heading() {}, line() {}, progress() {}, table() {} };

/** Flights, version 1 publishing, more flights arriving; then `story`, then every row against the model and every seam. */
async function tell(
  options: Omit<DemoEnvironmentOptions, "stabilityMs">,
  story: (stage: Stage, arrival: Arrival, v1: string) => Promise<string>,
): Promise<void> {
  const environment = await startEnvironment({ ...options, stabilityMs: 1000 });
  const closers: (() => Promise<void>)[] = [];
  let told = false;
  try {
    const log = await openFlightLog({ partitions, records });
    closers.push(async () => log.close());
    const { names, admin } = environment;
    await createDemoTopics(admin, [names.flights, names.hourly], partitions);
    const follower = follow({
      reader: await environment.openReader(),
      topic: names.hourly,
      partitions,
      ends: () => admin.endOffsets(names.hourly),
    });
    closers.push(() => follower.stop());
    const stage: Stage = { environment, narrator: silent, log, follower };
    const loader = openFlightLoader({ log, producer: environment.producer, topic: names.flights });
    await load(stage, loader, records - arriving);
    const v1 = await firstVersion(stage, records - arriving);
    const arrival = startArrival({ loader, records, flightsPerSecond: 1000, reserve: arriving / 4 });
    closers.push(() => arrival.stop());
    const v2 = await story(stage, arrival, v1);
    await theEnd(stage, arrival, [v1, v2]);
    await follower.readToEnd();
    const { mismatches, seamGaps, seamDuplicates, totals, worst, hourly } = await check(stage, v1, v2);
    expect([...totals, worst, hourly].flatMap((c) => c.examples)).toEqual([]);
    expect({ mismatches, seamGaps, seamDuplicates }).toEqual({ mismatches: 0, seamGaps: 0, seamDuplicates: 0 });
    expect(hourly.expected).toBeGreaterThan(10_000);
    told = true;
  } finally {
    for (const close of closers.reverse()) await close().catch(() => undefined);
    await environment.stop({ keepFolder: !told });
  }
}

async function caughtUp({ environment }: Stage, id: string): Promise<void> {
  await until(`${id} caught up`, patienceMs, async () =>
    deploymentIn(await environment.client.status(), id).state === "CaughtUp" ? true : undefined,
  );
}

function killNine(pid: number | undefined): void {
  if (pid === undefined) throw new Error("there is no process to kill");
  process.kill(pid, "SIGKILL");
}

test("a worker that is killed in the middle of its replay goes on, and the answers are those of an undisturbed run", async () => {
  await tell({}, async (stage, arrival) => {
    const { environment } = stage;
    const v2 = await environment.deploy(environment.names.sources.v2);
    const fraction = await until(`${v2} in the middle of its replay`, patienceMs, async () => {
      const { state, progress } = deploymentIn(await environment.client.status(), v2);
      return state === "Replaying" && progress !== undefined && progress.fraction > 0.02 ? progress.fraction : undefined;
    });
    const [pid] = environment.dev.workerPids(v2);
    killNine(pid);
    expect(fraction).toBeLessThan(1);
    await caughtUp(stage, v2);
    expect(environment.dev.workerPids(v2)).not.toContain(pid);
    await takeOver(stage, arrival, "cutover", v2);
    return v2;
  });
});

test("a publisher that is killed in the middle of the cutover loses and doubles nothing, there and back", async () => {
  await tell({}, async (stage, arrival, v1) => {
    const { environment } = stage;
    const v2 = await environment.deploy(environment.names.sources.v2);
    await caughtUp(stage, v2);
    for (const [verb, from, to] of [
      ["cutover", v1, v2],
      ["rollback", v2, v1],
      ["cutover", v1, v2],
    ] as const) {
      const [pid] = environment.dev.workerPids(from);
      const asked = takeOver(stage, arrival, verb, to);
      await sleep(0);
      await until("an Intent on the control log", patienceMs, async () => {
        const { pending, publisher } = processorIn(await environment.client.status(), environment.names.processor);
        return pending !== undefined || publisher === to ? true : undefined;
      });
      killNine(pid);
      await asked;
    }
    return v2;
  });
});

test("a controller that is killed in the middle of the cutover goes on where it was", async () => {
  // Its first process dies at the failpoint; the ones that follow are killed as soon as the Intent is written.
  await tell({ controllerEnv: { REPRISE_FAILPOINT: "after-fence" } }, async (stage, arrival, v1) => {
    const { environment } = stage;
    const v2 = await environment.deploy(environment.names.sources.v2);
    await caughtUp(stage, v2);
    const first = environment.dev.controllerPid();
    await switchThrough(stage, arrival, "cutover", v2);
    expect(environment.dev.controllerPid()).not.toBe(first);
    for (const [verb, to] of [
      ["rollback", v1],
      ["cutover", v2],
    ] as const) {
      const pid = environment.dev.controllerPid();
      await switchThrough(stage, arrival, verb, to, () => killNine(pid));
      expect(environment.dev.controllerPid()).not.toBe(pid);
    }
    return v2;
  });
});

/** Like `takeOver`, but the controller may be away at any moment: only what it says when it is back counts. */
async function switchThrough(
  { environment, follower }: Stage,
  _arrival: Arrival,
  verb: "cutover" | "rollback",
  to: string,
  onIntended?: () => void,
): Promise<void> {
  const { client, names } = environment;
  const asked = verb === "cutover" ? client.cutover(names.processor, { to }) : client.rollback(names.processor);
  await asked.catch((error: unknown) => {
    // The answer is lost when the controller dies on the way; the Intent is written, or the wait below ends in vain.
    if (!RepriseError.is(error) || error.code !== "CONTROLLER_UNREACHABLE") throw error;
  });
  onIntended?.();
  await until(`${verb} to ${to}`, patienceMs, async () => {
    const status = await client.status().catch(() => undefined);
    const entry = status === undefined ? undefined : processorIn(status, names.processor);
    return entry?.serving === to && entry.pending === undefined ? true : undefined;
  });
  const published = follower.rows.hours.length;
  await until(`${to} publishes`, patienceMs, async () => (follower.rows.hours.length >= published + 20 ? true : undefined));
}
