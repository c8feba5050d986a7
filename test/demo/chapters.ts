import type { DeploymentStatus, Status } from "@reprise/controller";
import { askDeployment, type CheckedAnswers, checkAnswers } from "./answers.ts";
import type { Arrival } from "./arrival.ts";
import type { Destination, Totals } from "./compare.ts";
import type { DemoEnvironment } from "./environment.ts";
import type { FlightLog } from "./flight-log.ts";
import type { Follower } from "./follower.ts";
import { checkLoaded, type FlightLoader, loadFlights } from "./load.ts";
import { buildModel, lateFlights } from "./model.ts";
import { count, type Narrator } from "./narrator.ts";
import { deploymentIn, isAtEnd, processorIn, ReplayRate } from "./observe.ts";
import { until } from "./until.ts";

/** Nothing here should take minutes; a machine that is ten times slower than ours still ends the story. */
const patienceMs = 600_000;
/** After each switch the new publisher has to publish so many results before the story goes on: seams need something on both sides. */
const resultsPerPublisher = 20;

/** Everything that the chapters share. */
export interface Stage {
  readonly environment: DemoEnvironment;
  readonly narrator: Narrator;
  readonly log: FlightLog;
  readonly follower: Follower;
}

/** Loads the flights that are there before anything is deployed. */
export async function load(stage: Stage, loader: FlightLoader, to: number): Promise<void> {
  const { environment, narrator, log } = stage;
  narrator.heading(`${count(to)} flights into the topic ${environment.names.flights}`);
  narrator.line("US flights of 2001, keyed by origin airport, in the order in which they were reported: departures come out of order.");
  const started = performance.now();
  const rate = (loaded: number): string => `${count((loaded * 1000) / (performance.now() - started))} records/s`;
  await loadFlights(loader, to, (loaded) => narrator.progress("loading", loaded / to, rate(loaded)));
  await checkLoaded(environment.admin, environment.names.flights, log, to);
  narrator.line(`${count(to)} records in ${log.partitions} partitions, ${rate(to)}`);
}

/** Deploys version 1 and waits until it has processed everything; its deployment. */
export async function firstVersion(stage: Stage, records: number): Promise<string> {
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
  narrator.line(
    `${v1} has processed them and published ${count(await publishedNow(stage))} hourly results, ${count(rate.recordsPerSecond)} records/s`,
  );
  return v1;
}

/** Deploys version 2 and waits until it has caught up with the publisher; its deployment, and how fast it replayed. */
export async function secondVersion(stage: Stage, arrival: Arrival): Promise<{ v2: string; replayRecordsPerSecond: number }> {
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

/** A few rows of both versions, for people. */
export async function showBoth({ environment, narrator, log }: Stage, v1: string, v2: string): Promise<void> {
  narrator.heading("Compare before anybody sees it: v1 serves, v2 is muted");
  const [askFirst, askSecond] = [askDeployment(environment.client, v1), askDeployment(environment.client, v2)];
  const rows = [["airport", "minutes of delay, v1", "v2", "worst destination, v2"]];
  for (const airport of log.airports.filter(({ name }) => ["ATL", "ORD", "LAX", "JFK"].includes(name))) {
    const [before, after] = [await askFirst("totals", airport), await askSecond("totals", airport)] as { value?: Totals }[];
    const worst = (await askSecond("worst", airport))?.value as Destination | undefined;
    const minutes = (totals: Totals | undefined): string => (totals === undefined ? "–" : count(totals.delayMinutes));
    rows.push([
      airport.name,
      minutes(before?.value),
      minutes(after?.value),
      worst === undefined ? "–" : `${worst.destination}, ${count(worst.delayMinutes)}`,
    ]);
  }
  narrator.table(rows);
}

/** Cutover or rollback, until queries are answered by `to` and it has published; in ms from the Intent to the last task past the cut. */
export async function takeOver(stage: Stage, arrival: Arrival, verb: "cutover" | "rollback", to: string): Promise<number> {
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
  narrator.line(
    `a query for ${airport?.name} is answered by ${answer.deployment}: ${count(flights)} flights, ${count(delayMinutes)} minutes of delay`,
  );
  await until(`${resultsPerPublisher} results published by ${to}`, patienceMs, async () => {
    deploymentIn(await client.status(), to);
    const fresh = follower.rows.hours.length - published;
    narrator.progress(
      "publishing",
      Math.min(1, fresh / resultsPerPublisher),
      `${count(arrival.flightsPerSecond)} flights/s arrive, ${count(arrival.arrived)} so far`,
    );
    return fresh >= resultsPerPublisher ? true : undefined;
  });
  return done.durationMs;
}

function isServing(status: Status, processor: string, deployment: string, cutover: string): boolean {
  const { serving, pending, lastCutover } = processorIn(status, processor);
  return serving === deployment && pending === undefined && lastCutover?.cutover === cutover;
}

/** Lets the last flights arrive and waits until both versions have processed everything. */
export async function theEnd({ environment, narrator, log }: Stage, arrival: Arrival, deployments: readonly string[]): Promise<void> {
  narrator.heading("The last flights arrive");
  await arrival.finish();
  const { client, names } = environment;
  await checkLoaded(environment.admin, names.flights, log, log.records);
  const ends = await log.partitionCounts(log.records);
  for (const id of deployments) {
    await until(`${id} at the end of the log`, patienceMs, async () =>
      isAtEnd(deploymentIn(await client.status(), id), names.flights, ends) ? true : undefined,
    );
  }
  narrator.line(`${count(log.records)} flights are in the log, and both versions have processed them all`);
}

/** Computes the model, compares every row, and shows what came out. */
export async function check(stage: Stage, v1: string, v2: string): Promise<CheckedAnswers> {
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
    [
      "hourly results, v1 → v2 → v1 → v2",
      count(hourly.expected),
      count(hourly.mismatches),
      count(hourly.seamGaps),
      count(hourly.seamDuplicates),
    ],
  ]);
  narrator.line(
    `${count(await lateFlights(log))} flights were reported too late for their hour: both versions leave them out of it, and so does the model.`,
  );
  for (const example of [...totals, worst, hourly].flatMap(({ examples }) => examples)) narrator.line(`✗ ${example}`);
  return checked;
}

async function publishedNow({ environment }: Stage): Promise<number> {
  const ends = await environment.admin.endOffsets(environment.names.hourly);
  return ends.reduce((sum, end) => sum + end, 0);
}
