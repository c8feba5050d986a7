import { type CompiledProcessor, compileProcessor, type OutputRecord } from "@reprise/engine";
import { definitionOf, type Processor, type Shape, type TestDriver, type TestOptions, type Time } from "@reprise/processor";
import { RepriseError } from "@reprise/schema";
import { MemoryRoute } from "./internal/memory-route.ts";
import { MemoryLog } from "./internal/memory-log.ts";
import { migratedBase } from "./internal/migrated-base.ts";
import { Run, type RunBase, type RunShape, usualShape } from "./internal/run.ts";
import { stateHandles, windowHandles } from "./internal/state-handles.ts";

type CompiledInput = CompiledProcessor["inputs"][number];

/** The earliest time there is, epoch ms. */
const earliestMs = -8.64e15;

/** What a test did, to do it again. */
type Step =
  | { readonly kind: "record"; readonly topic: string; readonly records: number }
  | { readonly kind: "time"; readonly toMs: number };

const otherShapes: readonly RunShape[] = [
  { batchRecords: 1, columnRecords: 1, maxCachedKeys: 1, batchesPerCommit: 1 },
  { batchRecords: 3, columnRecords: 2, maxCachedKeys: 0, batchesPerCommit: 2 },
  { batchRecords: 1000, columnRecords: 7, maxCachedKeys: 2, batchesPerCommit: 1 },
];

/**
 * A driver that runs the processor on the real engine: in memory, synchronously, without a broker or a clock of its own. Each `when` is processed and
 * committed before it returns.
 * @throws RepriseError NOT_SUPPORTED naming what the engine can't run yet · STATE_INCOMPATIBLE with `startFrom` · what the task failed with, from `when`
 * @example
 * const t = testProcessor(fraud, { params: { maxPayments: 1 } });
 * t.when.payments("card-1", { paymentId: "p1", cents: 20_000 }, "2024-01-01T10:00:00Z");
 * expect(t.then.scored()).toHaveLength(1);
 */
export function testProcessor<D extends Shape>(p: Processor<D>, o: TestOptions<D> = {}): TestDriver<D> {
  const processor = compileProcessor(definitionOf(p), o.params ?? {});
  if (o.startFrom !== undefined && !(o.startFrom instanceof Driver))
    throw new RepriseError("INVALID_ARGUMENT", "testProcessor: startFrom: expected what testProcessor returned");
  return new Driver(processor, o.startFrom) as unknown as TestDriver<D>;
}

class Driver {
  readonly given: { readonly [table: string]: unknown };
  readonly when: { readonly [input: string]: unknown };
  readonly then: { readonly [output: string]: unknown };
  private readonly processor: CompiledProcessor;
  private readonly log = new MemoryLog();
  private readonly run: Run;
  private readonly steps: Step[] = [];
  private readonly emitted: OutputRecord[][];
  /** What it began with. */
  private readonly base: RunBase | undefined;
  /** By internal topic. */
  private readonly routes = new Map<string, MemoryRoute>();

  constructor(processor: CompiledProcessor, startFrom: Driver | undefined) {
    this.processor = processor;
    this.base = startFrom === undefined ? undefined : migratedBase(startFrom.processor, startFrom.run.committed, processor);
    this.run = new Run(processor, this.log, usualShape, this.base);
    this.emitted = [...processor.outputs.map(() => []), []];
    for (const input of processor.inputs) {
      if (input.route === undefined) continue;
      this.routes.set(input.topic, new MemoryRoute(this.log, input));
      // There is nothing yet, and the other inputs need not wait for it.
      this.arrive(input.topic);
    }
    const senders = (tables: boolean): { readonly [alias: string]: unknown } =>
      Object.fromEntries(
        processor.inputs.flatMap((input, index) =>
          input.kind === "clock" || (input.table !== undefined) !== tables ? [] : [[input.alias, this.sender(input, index)]],
        ),
      );
    this.given = senders(true);
    this.when = {
      ...senders(false),
      timePasses: (to: Time) => {
        const toMs = timeOf(to);
        this.steps.push({ kind: "time", toMs });
        this.collect(this.run.passTime(toMs));
      },
    };
    this.then = {
      ...Object.fromEntries(
        processor.outputs.map((output, index) => [output.alias, () => this.take(index).map((r) => decodeOutput(processor, index, r))]),
      ),
      deadLetters: () => this.take(processor.outputs.length).map(decodeDeadLetter),
    };
  }

  stateOf(key: unknown): unknown {
    return stateHandles(this.processor, this.run.task, this.processor.key.encode(key));
  }

  windowsOf(key: unknown): unknown {
    return windowHandles(this.processor, this.run.task, this.processor.key.encode(key));
  }

  checkReplay(): void {
    const expected = fingerprint(this.run);
    for (const shape of otherShapes) {
      const again = new Run(this.processor, this.log, shape, this.base);
      const seen = new Map<string, number>();
      again.reader.visible = seen;
      for (const step of this.steps) {
        if (step.kind === "time") {
          again.drain();
          again.passTime(step.toMs);
        } else {
          seen.set(step.topic, (seen.get(step.topic) ?? 0) + step.records);
          if (shape.batchRecords !== 1000) again.drain();
        }
      }
      again.drain();
      const got = fingerprint(again);
      if (got === expected) continue;
      // Records that came out of merge order are processed when they come; only their arrival repeats that.
      if (shape.batchRecords === 1000 && this.run.task.lateMerged > 0) continue;
      throw new RepriseError(
        "HANDLER_FAILED",
        `${this.processor.name} v${this.processor.version} is not deterministic: with ${JSON.stringify(shape)} its replay differs (${got} instead of ${expected})`,
      );
    }
  }

  /** One function, or one by type of event. */
  private sender({ events }: CompiledInput, index: number): unknown {
    // What a table holds without a time it has always held.
    if (events === undefined) return (key: unknown, value: unknown, at: Time = earliestMs) => this.send(index, key, value, at);
    const by = (type: string) => (key: unknown, value: unknown, at: Time) => this.send(index, key, value, at, type);
    return Object.fromEntries(events.typeNames.map((type) => [type, by(type)]));
  }

  private send(index: number, key: unknown, value: unknown, at: Time, type = ""): void {
    const input = this.processor.inputs[index] as CompiledInput;
    const event = input.events?.encode(type, value);
    const { route } = input;
    this.log.append(route === undefined ? input.topic : route.source.topic, {
      key: (route?.sourceKey ?? input.table?.key ?? this.processor.key).encode(key),
      value: event !== undefined ? event.value : value === null ? null : input.value.encode(value),
      timestampMs: timeOf(at),
      headers: event?.headers === undefined ? undefined : Object.entries(event.headers).map(([name, text]) => ({ key: name, value: text })),
    });
    this.arrive(input.topic);
    this.collect(this.run.drain());
  }

  /** What the task sees of what was sent: the record, or what its route makes of it. */
  private arrive(topic: string): void {
    this.steps.push({ kind: "record", topic, records: this.routes.get(topic)?.run() ?? 1 });
  }

  private collect(outputs: readonly OutputRecord[]): void {
    for (const output of outputs) this.emitted[output.output]?.push(output);
  }

  private take(index: number): OutputRecord[] {
    const taken = this.emitted[index] ?? [];
    this.emitted[index] = [];
    return taken;
  }
}

/** Digests of state and outputs: equal for equal results. */
function fingerprint(run: Run): string {
  return `${run.task.meta.digest}/${run.task.meta.outputs}`;
}

function timeOf(time: Time): number {
  const ms = typeof time === "number" ? time : Date.parse(time);
  if (!Number.isFinite(ms)) throw new RepriseError("INVALID_ARGUMENT", `not a time: ${String(time)}; use epoch ms or ISO 8601`);
  return ms;
}

function decodeOutput(processor: CompiledProcessor, index: number, record: OutputRecord): object {
  const { key, value, events } = processor.outputs[index] as CompiledProcessor["outputs"][number];
  if (events !== undefined && record.value !== null) {
    const headers = Object.fromEntries((record.headers ?? []).map((header) => [header.key, header.value]));
    const event = events.decodeEncoded({ value: record.value, headers });
    return { ...event, key: key.decode(record.key, 0, record.key.length), timestamp: record.timestampMs };
  }
  return {
    key: key.decode(record.key, 0, record.key.length),
    value: record.value === null ? null : value.decode(record.value, 0, record.value.length),
    timestamp: record.timestampMs,
  };
}

function decodeDeadLetter(record: OutputRecord): { reason: string; input: string } {
  const header = (name: string): string => record.headers?.find((h) => h.key === name)?.value ?? "";
  return { reason: header("reprise-reason"), input: header("reprise-source").replace(/-0@\d+$/, "") };
}
