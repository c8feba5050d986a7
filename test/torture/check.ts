import { existsSync } from "node:fs";
import { join } from "node:path";
import type { CommitRecord, StoredRow } from "@reprise/engine";
import { rocksDbEngine } from "@reprise/state";
import type { KafkaLog, LoggedRecord } from "../system/support/kafka-log.ts";
import { type Replayed, replayInMemory } from "../system/support/replay-in-memory.ts";
import { type Expected, LedgerModel } from "./model.ts";
import ledger from "./processors/ledger.ts";
import { type CommitRecords, inputs, lead, outputs, partitions, processorName, type WorkerName, type World } from "./world.ts";

/** What differs, for people; empty: nothing does. */
export type Violations = string[];

/** Keys in flight while views are read. */
const readers = 8;

/**
 * Everything that the deployments have left, when all inputs are processed and nobody is disturbed any more: against the model, against an undisturbed run
 * of the engine in memory, and against who read along. Stops the workers.
 */
export async function checkAll(world: World, deployments: readonly string[]): Promise<Violations> {
  const log = await world.read();
  const models = modelsOf(log);
  const violations: Violations = [...checkOutputs(log, models), ...(await checkWitness(world, log)), ...(await checkViews(world, models))];
  for (const deployment of deployments) violations.push(...(await checkDeployment(world, deployment, log)));
  return violations;
}

/** One for each partition, over everything that the inputs hold. */
export function modelsOf(log: KafkaLog): LedgerModel[] {
  return Array.from({ length: partitions }, (_, partition) => {
    const model = new LedgerModel();
    model.run(log.records("moves", partition), log.records("notices", partition));
    return model;
  });
}

/** `prefix`: the outputs may lack what the newest inputs give. */
export function checkOutputs(log: KafkaLog, models: readonly LedgerModel[], prefix = false): Violations {
  return models.flatMap((model, partition) => [
    ...compareEntries([...log.records("entries", partition)], model.entries, `entries/${partition}`, prefix),
    ...compareBalances([...log.records("balances", partition)], model.balances, `balances/${partition}`, prefix),
  ]);
}

const textOf = ({ key, value, timestampMs }: Expected | LoggedRecord): string => `${key} ${value} ${timestampMs}`;

/** A topic: each record, in order. */
function compareEntries(found: readonly LoggedRecord[], expected: readonly Expected[], where: string, prefix: boolean): Violations {
  const violations: Violations = [];
  for (const [i, record] of found.entries()) {
    const want = expected[i];
    if (want !== undefined && textOf(want) === textOf(record)) continue;
    const next = expected.findIndex((each) => textOf(each) === textOf(record));
    const said = want === undefined ? "nothing" : textOf(want);
    const place = next < 0 ? "is nowhere in the model" : `is number ${next} of the model`;
    violations.push(
      `${where}: number ${i}, at offset ${record.offset} (${record.headers["reprise-cause"]}), is ${textOf(record)}, which ${place}; expected ${said}`,
    );
    // What follows a gap or a double differs too, and says nothing more.
    return violations;
  }
  if (!prefix && found.length < expected.length)
    violations.push(
      `${where}: ${expected.length - found.length} of ${expected.length} are missing at the end, first ${textOf(expected[found.length] as Expected)}`,
    );
  return violations;
}

/** A table: the rows of a key in order, some of which a commit may have left out in favour of the one after; the last row of each key is there. */
function compareBalances(found: readonly LoggedRecord[], expected: readonly Expected[], where: string, prefix: boolean): Violations {
  const violations: Violations = [];
  const wanted = byKey(expected);
  for (const [key, records] of byKey(found)) {
    const rows = wanted.get(key) ?? [];
    let at = -1;
    for (const record of records) {
      at = rows.findIndex((row, i) => i > at && textOf(row) === textOf(record));
      if (at >= 0) continue;
      violations.push(`${where}: ${textOf(record)} is no row of ${key} behind those before it`);
      break;
    }
    const last = rows.at(-1);
    if (!prefix && at >= 0 && last !== undefined && at < rows.length - 1)
      violations.push(`${where}: the last row of ${key} is ${textOf(records.at(-1) as LoggedRecord)}, expected ${textOf(last)}`);
    wanted.delete(key);
  }
  if (!prefix) for (const key of wanted.keys()) violations.push(`${where}: ${key} has no row`);
  return violations;
}

function byKey<T extends { readonly key: string | null }>(records: readonly T[]): Map<string, T[]> {
  const found = new Map<string, T[]>();
  for (const record of records) {
    const key = record.key ?? "";
    const list = found.get(key);
    if (list === undefined) found.set(key, [record]);
    else list.push(record);
  }
  return found;
}

/** Who read along saw what is there now, no record more, none less, none other. */
async function checkWitness({ witness }: World, log: KafkaLog): Promise<Violations> {
  const violations: Violations = [];
  for (const topic of outputs) {
    const ends = Array.from({ length: partitions }, (_, partition) => log.end({ topic, partition }));
    const deadline = Date.now() + 30_000;
    while (!witness.has(topic, ends) && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50));
    for (let partition = 0; partition < partitions; partition++) {
      const there = [...log.records(topic, partition)].map((record) => `${record.offset} ${textOf(record)}`);
      const seen = witness.seen.get(topic)?.[partition] ?? [];
      const i = there.findIndex((line, index) => seen[index] !== line);
      if (i >= 0 || seen.length !== there.length) {
        const at = i < 0 ? there.length : i;
        violations.push(
          `${topic}/${partition}: a reader that read along saw ${seen.length} records, there are ${there.length}; number ${at} was ${seen[at]}, is ${there[at]}`,
        );
      }
    }
  }
  return violations;
}

/** The views of the serving deployment say of every account that there ever was what the model says. */
async function checkViews(world: World, models: readonly LedgerModel[]): Promise<Violations> {
  const violations: Violations = [];
  const keys = models.flatMap((model) =>
    [...new Set(model.entries.map(({ key }) => key))].map((key) => [key, model.accounts.get(key)] as const),
  );
  const left = keys[Symbol.iterator]();
  const read = async (): Promise<void> => {
    for (const [key, account] of left) {
      const [balance, note, byShop] = await Promise.all(
        ["balance", "note", "byShop"].map((view) => world.client.view(processorName, view, key)),
      );
      const found = {
        balance: balance?.value ?? { count: 0, cents: 0 },
        note: note?.value ?? null,
        byShop: Object.fromEntries((byShop?.entries ?? []) as [string, number][]),
      };
      const expected = {
        balance: { count: account?.count ?? 0, cents: account?.cents ?? 0 },
        note: account?.note ?? null,
        byShop: Object.fromEntries([...(account?.byShop ?? [])].sort(([a], [b]) => (a < b ? -1 : 1))),
      };
      if (JSON.stringify(found) !== JSON.stringify(expected))
        violations.push(`views of ${key}: ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`);
    }
  };
  await Promise.all(Array.from({ length: readers }, read));
  return violations;
}

/** Commit records, committed offsets and every row in the local stores of a deployment. */
async function checkDeployment(world: World, deployment: string, log: KafkaLog): Promise<Violations> {
  const owners = await ownersOf(world, deployment);
  const records = await world.commitRecords(deployment);
  for (const worker of world.workersOf(deployment)) await world.stopWorker(worker);
  const violations: Violations = [...checkCommitRecords(deployment, records, log)];
  for (let partition = 0; partition < partitions; partition++) {
    const record = records[partition]?.record;
    if (record === undefined) continue;
    const alone = replayInMemory(ledger, log, partition, record.position);
    violations.push(...checkRecord(`${deployment}/${partition}`, record, alone));
    const owner = owners.get(partition);
    if (owner === undefined) violations.push(`${deployment}/${partition}: no worker says that it runs the task`);
    else violations.push(...(await checkRows(join(world.stateFolder(owner), String(partition)), `${deployment}/${partition}`, alone.rows)));
  }
  return violations;
}

async function ownersOf(world: World, deployment: string): Promise<Map<number, WorkerName>> {
  const owners = new Map<number, WorkerName>();
  const { deployments } = await world.status();
  const running = new Set(world.workersOf(deployment).map(({ slot }) => slot));
  for (const { slot, tasks } of deployments.find(({ id }) => id === deployment)?.workers ?? []) {
    if (running.has(slot)) for (const partition of tasks) owners.set(partition, { deployment, slot });
  }
  return owners;
}

/** Committed up to the ends of the inputs, and what is committed is what the record says. */
export function checkCommitRecords(deployment: string, records: CommitRecords, log: KafkaLog): Violations {
  return records.flatMap((found, partition): Violations => {
    const where = `${deployment}/${partition}`;
    if (found === undefined) return [`${where}: there is no commit record`];
    const { record, offset } = found;
    const violations: Violations = [];
    if (offset !== record.position[lead])
      violations.push(`${where}: the committed offset is ${offset}, its record says ${record.position[lead]}`);
    for (const topic of inputs) {
      const end = log.end({ topic, partition });
      if (record.position[topic] !== end)
        violations.push(`${where}: stands at ${record.position[topic]} of ${topic}, which ends at ${end}`);
    }
    if (record.lateMerged !== undefined)
      violations.push(
        `${where}: an input came more than ${JSON.stringify(record.lateMerged)} late: this machine was too slow for the comparison`,
      );
    if (record.mode !== "live") violations.push(`${where}: is ${record.mode}, not live`);
    return violations;
  });
}

function checkRecord(where: string, record: CommitRecord, alone: Replayed): Violations {
  const found = { digest: record.digest, outputs: record.outputs, streamTimeMs: record.streamTimeMs };
  const expected = { digest: alone.digest, outputs: alone.outputsDigest, streamTimeMs: alone.streamTimeMs };
  return JSON.stringify(found) === JSON.stringify(expected)
    ? []
    : [`${where}: the last commit says ${JSON.stringify(found)}, an undisturbed run ${JSON.stringify(expected)}`];
}

/** Every row of a local store, byte by byte. */
async function checkRows(folder: string, where: string, expected: readonly StoredRow[]): Promise<Violations> {
  if (!existsSync(folder)) return [`${where}: its store ${folder} does not exist`];
  const store = await rocksDbEngine().open(folder);
  try {
    let i = 0;
    for await (const rows of store.scan({ from: Buffer.of(1) })) {
      for (const row of rows) {
        const want = expected[i++];
        if (want !== undefined && Buffer.compare(row.key, want.key) === 0 && Buffer.compare(row.value, want.value) === 0) continue;
        const text = (one: StoredRow | undefined): string =>
          one === undefined ? "nothing" : `${Buffer.from(one.key).toString("hex")} = ${Buffer.from(one.value).toString("hex")}`;
        return [`${where}: row ${i - 1} of its store is ${text(row)}, an undisturbed run has ${text(want)}`];
      }
    }
    return i === expected.length ? [] : [`${where}: its store has ${i} rows, an undisturbed run ${expected.length}`];
  } finally {
    await store.close();
  }
}
