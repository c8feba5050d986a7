import { type DeploymentSpec, offsetIn, type PositionVector, type PublicationInterval, RowDigest, type StoredRow } from "@reprise/engine";
import { MemoryReader, TaskRun } from "../../packages/engine/test/support/task-run.ts";
import type { Invariants } from "./invariants.ts";
import type { SimKafka } from "./sim-kafka.ts";
import { Violation } from "./violation.ts";
import { model, outTopic, recordsOf, tableTopic, versionOf } from "./workload.ts";

/** What an undisturbed run of one task over the whole log makes of it. */
interface Undisturbed {
  /** Outputs by the record that caused them, in order: `topic key: value`. */
  readonly causes: ReadonlyMap<string, readonly string[]>;
  readonly digest: string;
  readonly outputs: string;
  readonly rows: readonly StoredRow[];
}

export interface World {
  readonly kafka: SimKafka;
  readonly invariants: Invariants;
  readonly inputs: readonly string[];
  readonly partitions: number;
}

const outputTopics = [outTopic, tableTopic];
const rowText = ({ key, value }: StoredRow): string => `${Buffer.from(key).toString("latin1")} = ${Buffer.from(value).toString("latin1")}`;

export async function undisturbed(world: World, spec: DeploymentSpec, partition: number): Promise<Undisturbed> {
  const reader = new MemoryReader();
  for (const topic of world.inputs) {
    const log = world.kafka.partition({ topic, partition });
    for (const record of recordsOf(log)) reader.append(topic, record);
    reader.ends.set(topic, log.entries.length);
  }
  const { definition, processor } = versionOf(spec.version, world.inputs.length);
  const run = new TaskRun(definition, reader, { partition, deployment: spec.id });
  await run.drain();
  await run.task.flush();
  const causes = new Map<string, string[]>();
  for (const { output, causeInput, causeOffset, key, value } of run.outputs) {
    const cause = `${world.inputs[causeInput]}-${partition}@${causeOffset}`;
    const list = causes.get(cause) ?? [];
    causes.set(cause, list);
    list.push(`${processor.outputs[output]?.topic} ${key.toString()}: ${value?.toString() ?? "deleted"}`);
  }
  const rows = [...run.store.range({ from: Buffer.from([1]) })];
  if (world.inputs.length === 1) agreesWithModel(world, spec, partition, causes);
  return { causes, digest: run.task.meta.digest, outputs: run.task.meta.outputs, rows };
}

/** The undisturbed run is the engine's own; what it says of each record has to be what the model says, which shares nothing with it. */
function agreesWithModel(world: World, spec: DeploymentSpec, partition: number, causes: ReadonlyMap<string, readonly string[]>): void {
  const topic = world.inputs[0] as string;
  for (const [offset, text] of model(spec.version, world.kafka.partition({ topic, partition })).said) {
    const said = (causes.get(`${topic}-${partition}@${offset}`) ?? []).filter((each) => each.includes(" values "));
    if (said.length !== 1 || said[0]?.endsWith(`: ${text}`) !== true)
      throw new Violation("model", `${spec.id} says of ${topic}-${partition}@${offset}: ${said.join("; ")}; the model: ${text}`);
  }
}

function ownerOf(intervals: readonly PublicationInterval[], cause: string): string | undefined {
  const [, name, partition, offset] = /^(.*)-(\d+)@(\d+)$/.exec(cause) as unknown as [string, string, string, string];
  const at = (vector: PositionVector): number => offsetIn(vector, name, Number(partition));
  return intervals.findLast(({ from, to }) => Number(offset) >= at(from) && (to === null || Number(offset) < at(to)))?.deployment;
}

function compare(invariant: string, what: string, expected: readonly string[], actual: readonly string[]): void {
  const at = expected.findIndex((line, index) => line !== actual[index]);
  const first = at >= 0 ? at : expected.length;
  if (at < 0 && actual.length === expected.length) return;
  throw new Violation(
    invariant,
    `${what}: ${actual.length} where ${expected.length} are due; the ${first + 1}. is ${actual[first] ?? "missing"}, due is ${expected[first] ?? "nothing"}`,
  );
}

/** Every output once, from the deployment in whose interval its cause lies, in the order of its partition; commit records at the end of it. */
export function checkOutputs(world: World, processor: string, runs: ReadonlyMap<string, Undisturbed>): void {
  const { control, decided } = world.invariants;
  const intervals = control.processors.get(processor)?.intervals ?? [];
  for (let partition = 0; partition < world.partitions; partition++) {
    const order = new Set([...control.deployments.keys()].flatMap((id) => [...(runs.get(`${id}/${partition}`)?.causes.keys() ?? [])]));
    for (const topic of outputTopics) {
      const expected = [...sorted(order, runs, partition, control.deployments.keys())].flatMap((cause) => {
        const owner = ownerOf(intervals, cause) ?? "";
        const lines = runs.get(`${owner}/${partition}`)?.causes.get(cause) ?? [];
        return lines.filter((line) => line.startsWith(`${topic} `)).map((line) => `${owner} ${cause} ${line}`);
      });
      const actual = recordsOf(world.kafka.partition({ topic, partition })).map(
        ({ key, value, headers }) =>
          `${headers.find((h) => h.key === "reprise-cause")?.value} ${topic} ${String(key)}: ${value === null ? "deleted" : String(value)}`,
      );
      compare("outputs", `${topic}-${partition}`, expected, actual);
    }
    for (const { spec } of control.deployments.values()) {
      const run = runs.get(`${spec.id}/${partition}`) as Undisturbed;
      const record = decided.get(`${spec.id}/${partition}`);
      const name = `${spec.id}/${partition}`;
      if (record?.digest !== run.digest)
        throw new Violation("state", `task ${name} has the digest ${record?.digest}, due is ${run.digest}`);
      if (record.outputs !== run.outputs) throw new Violation("state", `task ${name} has emitted other outputs than those that are due`);
      for (const topic of world.inputs) {
        const end = world.kafka.partition({ topic, partition }).entries.length;
        const { offset } = world.kafka.committed.get(`reprise.${spec.id} ${topic}-${partition}`) ?? {};
        if (record.position[topic] !== end || offset !== end)
          throw new Violation(
            "offsets",
            `task ${name} is at ${topic}@${record.position[topic]}, its group at ${offset}, the log ends at ${end}`,
          );
      }
    }
  }
}

/** With one input causes come by offset; with several by the merge, which is the same for all versions. */
function sorted(
  order: ReadonlySet<string>,
  runs: ReadonlyMap<string, Undisturbed>,
  partition: number,
  deployments: Iterable<string>,
): readonly string[] {
  const [first] = deployments;
  const known = [...(runs.get(`${first}/${partition}`)?.causes.keys() ?? [])];
  return [...known, ...[...order].filter((cause) => !known.includes(cause))];
}

/** A task's rows, all of them, and what their digest is by a scan. */
export function checkRows(what: string, partition: number, rows: Iterable<StoredRow>, run: Undisturbed): void {
  const digest = new RowDigest(partition);
  const lines: string[] = [];
  for (const row of rows) {
    if (row.key[0] === 0) continue;
    digest.add(row);
    lines.push(rowText(row));
  }
  compare("state", what, run.rows.map(rowText).sort(), lines.sort());
  if (digest.hex !== run.digest) throw new Violation("state", `${what} has the digest ${digest.hex}, due is ${run.digest}`);
}

export type { Undisturbed };
