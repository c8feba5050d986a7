import { type CompiledProcessor, partitionForKey } from "@reprise/engine";
import { definitionOf, key, processor, state, table, timer, topic, windows } from "@reprise/processor";
import { json, s } from "@reprise/schema";
import { compiled } from "../../packages/engine/test/support/task-run.ts";
import type { Random } from "../support/random.ts";
import { type Entry, type SimKafka, type SimPartition, Transaction } from "./sim-kafka.ts";

export const outTopic = "out";
export const tableTopic = "last";
export const inputTopics = ["values", "others"] as const;
const user = key("user", s.string);
const Value = s.record("Value", { n: s.long });

/** A version of the processor that is simulated: state that grows and shrinks, a map, a window, a timer, outputs to a topic and a table. */
function make(version: number, inputs: number): unknown {
  const values = topic("values", { key: user, value: json(Value), outOfOrder: "5ms" });
  const others = topic("others", { key: user, value: json(Value) });
  const out = topic(outTopic, { key: user, value: s.string });
  const last = table(tableTopic, { key: user, value: json(s.string) });
  const on = (name: string) => (v: { n: number }, ctx: any) => {
    const count = ctx.state.count.get() + version;
    ctx.state.count.set(count);
    ctx.state.seen.set(`n${v.n % 7}`, count);
    ctx.windows.w.add({ n: v.n });
    ctx.timers.t.after("9ms");
    ctx.out.out.emit(`${name} ${v.n} makes ${count}`);
    if (v.n % 5 === 0) ctx.out.last.delete();
    else ctx.out.last.upsert(`${count}`);
    if (v.n % 11 === 0) ctx.state.seen.delete("n0");
  };
  return processor({
    name: "sim",
    version,
    key: user,
    inputs: inputs === 1 ? { values } : { values, others },
    outputs: { out, last },
    state: { count: state.value(s.long, { initial: 0 }), seen: state.map(s.string, s.long) },
    windows: { w: windows.tumbling({ size: "10ms", grace: "4ms", emit: "end", aggregate: { n: "sum" } }) },
    timers: { t: timer() },
  } as never).handle({
    on: inputs === 1 ? { values: on("values") } : { values: on("values"), others: on("others") },
    onWindow: { w: (r: any, ctx: any) => ctx.out.out.emit(`window ${ctx.window.start} ${r.count} ${r.n}`) },
    onTimer: { t: (t: any, ctx: any) => ctx.out.out.emit(`timer ${t.due}`) },
  } as never);
}

export interface Version {
  readonly definition: unknown;
  readonly manifest: { readonly [field: string]: unknown };
  readonly processor: CompiledProcessor;
}

const versions = new Map<string, Version>();

/** Compiled once for all runs. */
export function versionOf(version: number, inputs: number): Version {
  const name = `${version}/${inputs}`;
  const known = versions.get(name);
  if (known !== undefined) return known;
  const definition = make(version, inputs);
  const made = { definition, manifest: definitionOf(definition).manifest as never, processor: compiled(definition) };
  versions.set(name, made);
  return made;
}

/** Writes input: single records, transactions that commit, abort, or stay open for a while. */
export class Feeder {
  written = 0;
  private readonly kafka: SimKafka;
  private readonly random: Random;
  private readonly inputs: readonly string[];
  private readonly partitions: number;
  private timeMs = 1000;

  constructor(kafka: SimKafka, random: Random, inputs: readonly string[], partitions: number) {
    this.kafka = kafka;
    this.random = random;
    this.inputs = inputs;
    this.partitions = partitions;
  }

  feed(count: number): void {
    for (let i = 0; i < count; i++) this.one();
  }

  private one(): void {
    const { random } = this;
    const name = `user${random.below(8)}`;
    const bytes = Buffer.from(name);
    const at = { topic: random.pick(this.inputs), partition: partitionForKey(bytes, this.partitions) };
    const partition = this.kafka.partition(at);
    this.timeMs += random.pick([0, 0, 1, 1, 2, 20]);
    const record = {
      key: bytes,
      value: Buffer.from(JSON.stringify({ n: this.written++ })),
      timestampMs: this.timeMs - random.below(5),
      headers: [],
    };
    const dice = random.next();
    if (dice > 0.25) return this.kafka.append([{ at, ...record }]);
    const transaction = new Transaction("feeder");
    partition.append({ kind: "record", ...record, transaction });
    partition.changed();
    transaction.state = dice < 0.1 ? "aborted" : "committed";
    this.kafka.scheduler.after(dice < 0.2 ? 0 : random.below(40), () => {
      partition.end(transaction);
      partition.changed();
    });
  }
}

export interface ModelRecord {
  readonly key: string;
  readonly n: number;
}

export function recordsOf(partition: SimPartition): (Entry & { readonly offset: number })[] {
  return partition.entries.flatMap((_, offset) => {
    const entry = partition.visible(offset);
    return entry === undefined ? [] : [{ ...entry, offset }];
  });
}

/** What the processor does with each record of one input by itself, written a second time: what it says, and its state in the end. */
export function model(
  version: number,
  partition: SimPartition,
): { readonly said: Map<number, string>; readonly counts: Map<string, number> } {
  const said = new Map<number, string>();
  const counts = new Map<string, number>();
  for (const { key: bytes, value, offset } of recordsOf(partition)) {
    const name = String(bytes);
    const { n } = JSON.parse(String(value)) as { n: number };
    const count = (counts.get(name) ?? 0) + version;
    counts.set(name, count);
    said.set(offset, `values ${n} makes ${count}`);
  }
  return { said, counts };
}
