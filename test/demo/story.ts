import { availableParallelism } from "node:os";
import type { DeploymentStatus, Status } from "@reprise/controller";
import { askDeployment, type CheckedAnswers, checkAnswers } from "./answers.ts";
import { type Arrival, startArrival } from "./arrival.ts";
import type { Destination, Totals } from "./compare.ts";
import { type DemoEnvironment, type DemoEnvironmentOptions, startEnvironment } from "./environment.ts";
import { type FlightLog, openFlightLog } from "./flight-log.ts";
import { type Follower, follow } from "./follower.ts";
import { checkLoaded, createDemoTopics, type FlightLoader, loadFlights, openFlightLoader } from "./load.ts";
import { buildModel, lateFlights } from "./model.ts";
import { count, type Narrator } from "./narrator.ts";
import { deploymentIn, isAtEnd, processorIn, ReplayRate } from "./observe.ts";
import { until } from "./until.ts";

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
/** Nothing here should take minutes; a machine that is ten times slower than ours still ends the story. */
const patienceMs = 600_000;
/** After each switch the new publisher has to publish so many results before the story goes on: seams need something on both sides. */
const resultsPerPublisher = 20;

/** Everything that the chapters share. */
interface Stage {
  readonly environment: DemoEnvironment;
  readonly narrator: Narrator;
  readonly log: FlightLog;
  readonly follower: Follower;
}

/** Runs the whole story; resolves with what came out, also when it is not ok. @throws when it could not be told to its end */
export async function tellStory(options: StoryOptions): Promise<DemoResult> {
  const { narrator } = options;
  const started = performance.now();
  /** What is to be closed in the end, last one first. */
  const closers: (() => Promise<void>)[] = [];
  try {
    narrator.heading("A real Kafka, and a controller");
    const environment = await startEnvironment({ ...options.environment, stabilityMs });
    closers.push(() => environment.stop());
    options.onStarted?.(environment);
    narrator.line(`Kafka at ${environment.bootstrap}, controller at ${environment.controllerUrl}, ${availableParallelism()} processors`);
    const log = await openFlightLog({ partitions, ...(options.records === undefined ? {} : { records: options.records }) });
    closers.push(async () => log.close());
    const told = await tellChapters({ environment, narrator, log }, closers);
    const result: DemoResult = { ...told, seconds: Math.round((performance.now() - started) / 100) / 10 };
    await options.onResult?.(result, environment);
    return result;
  } finally {
    // What fails here failed before, or has nothing to say any more.
    for (const close of closers.reverse()) await close().catch(() => undefined);
  }
}

async function tellChapters(scene: Omit<Stage, "follower">, closers: (() => Promise<void>)[]): Promise<Omit<DemoResult, "seconds">> {
  const { environment, log } = scene;
  const { names, admin } = environment;
  const arriving = Math.min(arrivingAtMost, Math.floor(log.records * arrivingShare));
  const loader = openFlightLoader({ log, producer: environment.producer, topic: names.flights });
  await createDemoTopics(admin, [names.flights, names.hourly], partitions);
  const follower = follow({ reader: await environment.openReader(), topic: names.hourly, partitions, ends: () => admin.endOffsets(names.hourly) });
  closers.push(() => follower.stop());
  const stage: Stage = { ...scene, follower };
  await load(stage, loader, log.records - arriving);
  const v1 = await firstVersion(stage, log.records - arriving);
  const arrival = startArrival({ loader, records: log.records, flightsPerSecond: Math.ceil(arriving / arrivalSeconds), reserve: Math.floor(arriving / 4) });
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

async function load(stage: Stage, loader: FlightLoader, to: number): Promise<void> {
  const { environment, narrator, log } = stage;
  narrator.heading(`${count(to)} flights into the topic ${environment.names.flights}`);
  narrator.line("US flights of 2001, keyed by origin airport, in the order in which they were reported: departures come out of order.");
  const started = performance.now();
  const rate = (loaded: number): string => `${count((loaded * 1000) / (performance.now() - started))} records/s`;
  await loadFlights(loader, to, (loaded) => narrator.progress("loading", loaded / to, rate(loaded)));
  await checkLoaded(environment.admin, environment.names.flights, log, to);
  narrator.line(`${count(to)} records in ${partitions} partitions, ${rate(to)}`);
}

async function firstVersion(stage: Stage, records: number): Promise<string> {
  const { environment, narrator, log } = stage;
  narrator.heading(`airport-delays v1: the first version publishes from the first record on`);
  const v1 = await environment.deploy(environment.names.sources.v1);
  const rate = new ReplayRate();
  const ends = await log.partitionCounts(records);
  await until(`${v1} at the end of the log`, patienceMs, async () => {
    const deployment = deploymentIn(await environment.client.status(), v1);
    rate.look(deployment);
    tellProgress(narrator, v1, deployment);
    return isAtEnd(deployment, environment.names.flights, ends) ? true : undefined;
  });
  narrator.line(`${v1} has processed them and published ${count(await publishedNow(stage))} hourly results, ${count(rate.recordsPerSecond)} records/s`);
  return v1;
}

async function secondVersion(stage: Stage, arrival: Arrival): Promise<{ v2: string; replayRecordsPerSecond: number }> {
  const { environment, narrator } = stage;
  narrator.heading("airport-delays v2: replays the whole log while v1 serves and flights arrive");
  narrator.line("v1 takes an early departure for negative delay. v2 does not, and knows the worst destination of each airport.");
  const v2 = await environment.deploy(environment.names.sources.v2);
  const rate = new ReplayRate();
  await until(`${v2} caught up`, patienceMs, async () => {
    const deployment = deploymentIn(await environment.client.status(), v2);
    if (deployment.state === "Starting" || deployment.state === "Replaying") {
      // Behind the publisher's heels it goes no faster than flights arrive: that is no replay any more.
      if ((deployment.progress?.fraction ?? 0) < 0.999) rate.look(deployment);
      tellProgress(narrator, v2, deployment);
    }
    return deployment.state === "CaughtUp" ? true : undefined;
  });
  narrator.line(`${v2} has caught up, muted: ${count(rate.recordsPerSecond)} records/s, while ${count(arrival.arrived)} flights arrived`);
  return { v2, replayRecordsPerSecond: rate.recordsPerSecond };
}

function tellProgress(narrator: Narrator, id: string, { progress }: DeploymentStatus): void {
  if (progress === undefined) return;
  const left = progress.remainingMs === null ? "" : `, ${Math.ceil(progress.remainingMs / 1000)} s left`;
  narrator.progress(id, progress.fraction, `${count(progress.processedRecords)} records, ${count(progress.recordsPerSecond)}/s${left}`);
}

async function showBoth({ environment, narrator, log }: Stage, v1: string, v2: string): Promise<void> {
  narrator.heading("Compare before anybody sees it: v1 serves, v2 is muted");
  const [askFirst, askSecond] = [askDeployment(environment.client, v1), askDeployment(environment.client, v2)];
  const rows = [["airport", "minutes of delay, v1", "v2", "worst destination, v2"]];
  for (const airport of log.airports.filter(({ name }) => ["ATL", "ORD", "LAX", "JFK"].includes(name))) {
    const [before, after] = [await askFirst("totals", airport), await askSecond("totals", airport)] as { value?: Totals }[];
    const worst = (await askSecond("worst", airport))?.value as Destination | undefined;
    const minutes = (totals: Totals | undefined): string => (totals === undefined ? "–" : count(totals.delayMinutes));
    rows.push([airport.name, minutes(before?.value), minutes(after?.value), worst === undefined ? "–" : `${worst.destination}, ${count(worst.delayMinutes)}`]);
  }
  narrator.table(rows);
}

/** Cutover or rollback, until queries are answered by `to` and it has published; in ms from the Intent to the last task past the cut. */
async function takeOver(stage: Stage, arrival: Arrival, verb: "cutover" | "rollback", to: string): Promise<number> {
  const { environment, narrator, follower, log } = stage;
  const { client, names } = environment;
  narrator.heading(verb === "cutover" ? `Cut over to ${to}` : `Roll back to ${to}`);
  const { cutover } = verb === "cutover" ? await client.cutover(names.processor, { to }) : await client.rollback(names.processor);
  const status = await until(`${verb} to ${to}`, patienceMs, async () => {
    const now = await client.status();
    deploymentIn(now, to);
    return isServing(now, names.processor, to, cutover) ? now : undefined;
  });
  const done = processorIn(status, names.processor).lastCutover;
  if (done?.durationMs === undefined) throw new Error(`the controller does not say how long ${cutover} took`);
  const published = follower.rows.hours.length;
  const airport = log.airports.find(({ name }) => name === "ATL") ?? log.airports[0];
  const answer = await client.view(names.processor, "totals", airport?.name ?? "");
  if (answer?.deployment !== to) throw new Error(`${to} should answer queries, and ${answer?.deployment ?? "nobody"} did`);
  const { flights, delayMinutes } = answer.value as Totals;
  const at = done.at?.[names.flights]?.join(", ") ?? "";
  narrator.line(`done in ${done.durationMs} ms, at positions ${at}`);
  narrator.line(`a query for ${airport?.name} is answered by ${answer.deployment}: ${count(flights)} flights, ${count(delayMinutes)} minutes of delay`);
  await until(`${resultsPerPublisher} results published by ${to}`, patienceMs, async () => {
    deploymentIn(await client.status(), to);
    const fresh = follower.rows.hours.length - published;
    narrator.progress("publishing", Math.min(1, fresh / resultsPerPublisher), `${count(arrival.flightsPerSecond)} flights/s arrive, ${count(arrival.arrived)} so far`);
    return fresh >= resultsPerPublisher ? true : undefined;
  });
  return done.durationMs;
}

function isServing(status: Status, processor: string, deployment: string, cutover: string): boolean {
  const { serving, pending, lastCutover } = processorIn(status, processor);
  return serving === deployment && pending === undefined && lastCutover?.cutover === cutover;
}

async function theEnd({ environment, narrator, log }: Stage, arrival: Arrival, deployments: readonly string[]): Promise<void> {
  narrator.heading("The last flights arrive");
  await arrival.finish();
  const { client, names } = environment;
  await checkLoaded(environment.admin, names.flights, log, log.records);
  const ends = await log.partitionCounts(log.records);
  for (const id of deployments) {
    await until(`${id} at the end of the log`, patienceMs, async () => (isAtEnd(deploymentIn(await client.status(), id), names.flights, ends) ? true : undefined));
  }
  narrator.line(`${count(log.records)} flights are in the log, and both versions have processed them all`);
}

async function check(stage: Stage, v1: string, v2: string): Promise<CheckedAnswers> {
  const { environment, narrator, log, follower } = stage;
  narrator.heading("The same answers from the file, by DuckDB, row by row");
  await buildModel(log);
  const { client, names } = environment;
  const checked = await checkAnswers({ log, client, names, v1, v2, published: follower.rows });
  const { totals, worst, hourly } = checked;
  narrator.table([
    ["", "rows", "wrong", "missing", "double"],
    ["totals of v1, per airport", count(totals[0]?.expected ?? 0), count(totals[0]?.mismatches ?? 0), "", ""],
    ["totals of v2, per airport", count(totals[1]?.expected ?? 0), count(totals[1]?.mismatches ?? 0), "", ""],
    ["worst destinations of v2", count(worst.expected), count(worst.mismatches), "", ""],
    ["hourly results, v1 → v2 → v1 → v2", count(hourly.expected), count(hourly.mismatches), count(hourly.seamGaps), count(hourly.seamDuplicates)],
  ]);
  narrator.line(`${count(await lateFlights(log))} flights were reported too late for their hour: both versions leave them out of it, and so does the model.`);
  for (const example of [...totals, worst, hourly].flatMap(({ examples }) => examples)) narrator.line(`✗ ${example}`);
  return checked;
}

async function publishedNow({ environment }: Stage): Promise<number> {
  const ends = await environment.admin.endOffsets(environment.names.hourly);
  return ends.reduce((sum, end) => sum + end, 0);
}
