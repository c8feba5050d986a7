import { setTimeout as sleep } from "node:timers/promises";
import type { CommitRecord } from "@reprise/engine";
import { clockTopicOf } from "@reprise/engine";
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../demo/until.ts";
import v1 from "./processors/devices-v1.ts";
import v2 from "./processors/devices-v2.ts";
import { deviceHistory, type LiveDevices, startLive } from "./support/device-input.ts";
import type { KafkaLog } from "./support/kafka-log.ts";
import { replayInMemory } from "./support/replay-in-memory.ts";
import { System } from "./support/system.ts";

const partitions = 4;
const readings = 50_000;
const patienceMs = 240_000;
const [first, second] = ["devices.v1.1", "devices.v2.1"];
const inputs = ["readings", "commands", "limits"] as const;
const silentMs = 5_000;
const disorderMs = 2_000;
let system: System;
/** Otherwise the logs are kept. */
let ok = false;

beforeAll(async () => {
  system = await System.open();
  await system.createTopics(partitions, ...inputs, "events");
  await system.createTopics(3, "sites");
  await system.send(deviceHistory(readings, 7));
});

afterAll(() => system?.close({ keepFolder: !ok }));

interface Event {
  readonly what: string;
  readonly at: number;
  readonly n: number;
  readonly version: number;
}

/** The log up to now, and beyond what the commit records say. */
const readAll = (): Promise<KafkaLog> => system.read(...inputs, "sites", clockTopicOf("devices", 1_000), "events");

/** Of one deployment: state, outputs and times of each task are those of an undisturbed run over the same log. Returns what that run emits, as text. */
function expectSameAsInMemory(processor: unknown, records: readonly CommitRecord[], log: KafkaLog): string[][] {
  return records.map(({ position, digest, outputs, streamTimeMs }, partition) => {
    const alone = replayInMemory(processor, log, partition, position);
    expect({ partition, position, digest, outputs, streamTimeMs }).toEqual({
      partition,
      position: alone.position,
      digest: alone.digest,
      outputs: alone.outputsDigest,
      streamTimeMs: alone.streamTimeMs,
    });
    return alone.outputs.map(({ key, value, timestampMs }) => `${String(key)} ${String(value)} ${timestampMs}`);
  });
}

const withoutVersion = (texts: readonly (readonly string[])[]): string[][] =>
  texts.map((lines) => lines.map((line) => line.replace(/"version":\d/, '"version":0')));

const streamTimePasses = (id: string, timeMs: number): Promise<CommitRecord[]> =>
  until(`${id} to be beyond ${timeMs}`, patienceMs, async () => {
    const records = await system.commitRecords(id, "readings");
    return records.every((record) => (record?.streamTimeMs ?? 0) >= timeMs) ? (records as CommitRecord[]) : undefined;
  });

/** When everything that these devices sent is over: their last sessions, and their silence. */
const overMs = ({ lastMs }: LiveDevices): number => Math.max(...lastMs.values()) + silentMs + 2 * disorderMs;

test("one worker, killed in the middle of 50,000 readings, gives what an undisturbed run gives, state and outputs", async () => {
  const id = await system.deploy("devices-v1", 1);
  expect(id).toBe(first);
  const done = await until("it to be in the middle", patienceMs, async () => {
    const records = await system.commitRecords(id, "readings");
    const sum = records.reduce((total, record) => total + (record?.position["readings"] ?? 0), 0);
    return sum > readings / 10 ? sum : undefined;
  });
  const [pid] = system.dev.workerPids(id);
  process.kill(pid as number, "SIGKILL");
  expect(done).toBeLessThan(readings);
  const records = await system.settled(id, inputs);
  expect(system.dev.workerPids(id)).not.toContain(pid);
  // Readings come up to 0.9 s too late for windows without grace; the operator is told of which time they are.
  const late = await until("what was late in the status", patienceMs, async () => {
    const { workers } = (await system.dev.client.status()).deployments.find((one) => one.id === id) ?? { workers: [] };
    return workers[0]?.late?.find(({ window }) => window === "recent");
  });
  expect(late).toMatchObject({ how: "drop" });
  expect(late.records).toBeGreaterThan(0);
  expect(new Date(late.fromMs).getUTCFullYear()).toBe(2024);
  expect(late.toMs).toBeGreaterThanOrEqual(late.fromMs);
  // A tick of the clock has closed what was open.
  const log = await readAll();
  const alone = expectSameAsInMemory(v1, records, log);
  const events = log.texts("events");
  expect(alone.flat().length).toBeGreaterThan(10_000);
  expect(events.map((lines, partition) => lines.slice(0, alone[partition]?.length))).toEqual(alone);
  for (const what of ["above", "command", "silent", "visit", "recent"])
    expect(
      events.flat().some((line) => line.includes(`"what":"${what}"`)),
      what,
    ).toBe(true);
  for (const text of ["nowhere", "site at", "limit 90", "revision 2"])
    expect(
      events.flat().some((line) => line.includes(text)),
      text,
    ).toBe(true);
});

test("`reprise verify` repeats it beside it", async () => {
  const { status, answer } = await system.verify(first, "--from", "start");
  expect(answer.verdicts).toHaveLength(2 * partitions);
  for (const verdict of answer.verdicts) expect(verdict).not.toHaveProperty("mismatch");
  expect({ status, ok: answer.ok }).toEqual({ status: 0, ok: true });
  expect(answer.verdicts.every(({ records, compared }) => records > 1_000 && compared > 1)).toBe(true);
});

test("live, with nothing but the clock any more, the last session ends and every device is found silent at its time", async () => {
  await system.reaches(first, "Serving");
  const live = startLive(system, 1);
  await sleep(4_000);
  await live.stop();
  const records = await streamTimePasses(first, overMs(live));
  const log = await readAll();
  const events = [...Array(partitions).keys()].flatMap((partition) =>
    [...log.records("events", partition)].map(({ key, value }) => ({ key, ...(JSON.parse(value ?? "") as Event) })),
  );
  expect(live.lastMs.size).toBe(8);
  for (const [device, lastMs] of live.lastMs) {
    const own = events.filter(({ key }) => key === device);
    expect(own.findLast(({ what }) => what === "silent")?.at).toBe(lastMs + silentMs);
    expect(own.some(({ what, at }) => what === "visit" && at <= lastMs)).toBe(true);
  }
  const alone = expectSameAsInMemory(v1, records, log);
  expect(log.texts("events").map((lines, partition) => lines.slice(0, alone[partition]?.length))).toEqual(alone);
});

test("version 2 replays all of it with three workers, one of which is killed, and takes over while devices report: nothing missing, nothing twice", async () => {
  const live = startLive(system, 2);
  const id = await system.deploy("devices-v2", 3);
  expect(id).toBe(second);
  const [, pid] = await until("three workers", patienceMs, async () => {
    const { state, progress } = (await system.dev.client.status()).deployments.find((one) => one.id === id) ?? {};
    const pids = system.dev.workerPids(id);
    return state === "Replaying" && progress !== undefined && progress.fraction > 0.02 && pids.length === 3 ? pids : undefined;
  });
  process.kill(pid as number, "SIGKILL");
  await system.reaches(id, "CaughtUp");
  await system.dev.client.cutover("devices", { to: id });
  await system.reaches(id, "Serving");
  await sleep(2_000);
  await live.stop();
  await streamTimePasses(id, overMs(live));

  // Both versions at one position: the same state, row by row.
  for (let partition = 0; partition < partitions; partition++) {
    const [mine, theirs] = await until(`both at one position of partition ${partition}`, patienceMs, async () => {
      const both = await Promise.all([first, second].map(async (one) => (await system.commitRecords(one, "readings"))[partition]));
      return JSON.stringify(both[0]?.position) === JSON.stringify(both[1]?.position) ? (both as CommitRecord[]) : undefined;
    });
    expect(mine?.digest).toBe(theirs?.digest);
  }
  const [follower, publisher] = [await system.settled(first, inputs), await system.settled(second, inputs)];
  const log = await readAll();
  expectSameAsInMemory(v1, follower, log);
  const alone = expectSameAsInMemory(v2, publisher, log);
  const events = log.texts("events");
  expect(withoutVersion(events.map((lines, partition) => lines.slice(0, alone[partition]?.length)))).toEqual(withoutVersion(alone));
  for (const lines of events) {
    const versions = lines.map((line) => Number(/"version":(\d)/.exec(line)?.[1]));
    expect(versions).toEqual(versions.toSorted((a, b) => a - b));
  }
  expect(new Set(events.flat().map((line) => /"version":(\d)/.exec(line)?.[1]))).toEqual(new Set(["1", "2"]));
  ok = true;
});
