import { availableParallelism } from "node:os";
import { join } from "node:path";
import { startArrival } from "./arrival.ts";
import { check, firstVersion, load, secondVersion, showBoth, type Stage, takeOver, theEnd } from "./chapters.ts";
import { type DemoEnvironment, type DemoEnvironmentOptions, startEnvironment } from "./environment.ts";
import { openFlightLog } from "./flight-log.ts";
import { follow } from "./follower.ts";
import { createDemoTopics, openFlightLoader } from "./load.ts";
import type { Narrator } from "./narrator.ts";

/** The line that `--json` prints. */
export interface DemoResult {
  readonly ok: boolean;
  readonly records: number;
  readonly replayRecordsPerSecond: number;
  readonly mismatches: number;
  readonly seamGaps: number;
  readonly seamDuplicates: number;
  /** From the Intent until every task of the new publisher had passed the cut; the slower one of the two cutovers. */
  readonly cutoverMs: number;
  readonly rollbackMs: number;
  readonly seconds: number;
}

export interface StoryOptions {
  readonly narrator: Narrator;
  /** Only the first so many flights; default all three million. */
  readonly records?: number;
  readonly environment?: Omit<DemoEnvironmentOptions, "stabilityMs">;
  /** Called as soon as there is something that would have to be stopped. */
  readonly onStarted?: (environment: DemoEnvironment) => void;
  /** Called with what came out, before everything is stopped. */
  readonly onResult?: (result: DemoResult, environment: DemoEnvironment) => Promise<void>;
}

const partitions = 4;
/** Of all flights the last ones arrive while version 2 replays and takes over; at most so many … */
const arrivingAtMost = 120_000;
/** … and this part of them when there are few. */
const arrivingShare = 0.2;
/** At full pace the arriving flights would last so long: longer than the story between the deployment of version 2 and the second cutover. */
const arrivalSeconds = 48;
const stabilityMs = 2_000;

/** Runs the whole story; resolves with what came out, also when it is not ok. @throws when it could not be told to its end */
export async function tellStory(options: StoryOptions): Promise<DemoResult> {
  const { narrator } = options;
  const started = performance.now();
  narrator.heading("A real Kafka, and a controller");
  const environment = await startEnvironment({ ...options.environment, stabilityMs });
  /** What is to be closed in the end, last one first. */
  const closers: (() => Promise<void>)[] = [];
  let told = false;
  try {
    options.onStarted?.(environment);
    narrator.line(`Kafka at ${environment.bootstrap}, controller at ${environment.controllerUrl}, ${availableParallelism()} processors`);
    const log = await openFlightLog({ partitions, ...(options.records === undefined ? {} : { records: options.records }) });
    closers.push(async () => log.close());
    const chapters = await tellChapters({ environment, narrator, log }, closers);
    const result: DemoResult = { ...chapters, seconds: Math.round((performance.now() - started) / 100) / 10 };
    await options.onResult?.(result, environment);
    told = true;
    return result;
  } finally {
    // What fails here failed before, or has nothing to say any more.
    for (const close of closers.reverse()) await close().catch(() => undefined);
    await environment.stop({ keepFolder: !told });
    if (!told) narrator.line(`The logs of all processes are in ${join(environment.folder, "dev", "logs")}`);
  }
}

async function tellChapters(scene: Omit<Stage, "follower">, closers: (() => Promise<void>)[]): Promise<Omit<DemoResult, "seconds">> {
  const { environment, log } = scene;
  const { names, admin } = environment;
  const arriving = Math.min(arrivingAtMost, Math.floor(log.records * arrivingShare));
  const loader = openFlightLoader({ log, producer: environment.producer, topic: names.flights });
  await createDemoTopics(admin, [names.flights, names.hourly], partitions);
  const follower = follow({
    reader: await environment.openReader(),
    topic: names.hourly,
    partitions,
    ends: () => admin.endOffsets(names.hourly),
  });
  closers.push(() => follower.stop());
  const stage: Stage = { ...scene, follower };
  await load(stage, loader, log.records - arriving);
  const v1 = await firstVersion(stage, log.records - arriving);
  const arrival = startArrival({
    loader,
    records: log.records,
    flightsPerSecond: Math.ceil(arriving / arrivalSeconds),
    reserve: Math.floor(arriving / 4),
  });
  closers.push(() => arrival.stop());
  const { v2, replayRecordsPerSecond } = await secondVersion(stage, arrival);
  await showBoth(stage, v1, v2);
  const first = await takeOver(stage, arrival, "cutover", v2);
  const rollbackMs = await takeOver(stage, arrival, "rollback", v1);
  const second = await takeOver(stage, arrival, "cutover", v2);
  await theEnd(stage, arrival, [v1, v2]);
  await follower.readToEnd();
  const { mismatches, seamGaps, seamDuplicates } = await check(stage, v1, v2);
  return {
    ok: mismatches === 0 && seamGaps === 0 && seamDuplicates === 0,
    records: log.records,
    replayRecordsPerSecond,
    mismatches,
    seamGaps,
    seamDuplicates,
    cutoverMs: Math.max(first, second),
    rollbackMs,
  };
}
