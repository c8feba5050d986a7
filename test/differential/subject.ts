import { compileProcessor, type OutputRecord, unsupportedFeatures } from "@reprise/engine";
import {
  definitionOf,
  distinct,
  first,
  fold,
  key,
  last,
  processor,
  type ProcessorDefinition,
  top,
  topic,
  windows,
} from "@reprise/processor";
import { s } from "@reprise/schema";
import { MemoryLog, Run, type RunShape, usualShape } from "@reprise/testing/engine-run";
import { type AggregateCase, type Case, foldsInOrder, type InRecord, joinValueOf, nameOf, valuesOf, type WindowCase } from "./case.ts";
import { Random } from "./random.ts";
import type { ResultRow, WindowResult } from "./result-row.ts";

/** What the engine does with a case, or what it still refuses of it. */
export type SubjectOutcome =
  | { readonly refused: readonly string[] }
  | { readonly rows: readonly ResultRow[]; readonly invarianceFault: string | undefined; readonly lateCounted: LateCounts };

export interface LateCounts {
  readonly drop: number;
  readonly "dead-letter": number;
  readonly handle: number;
}

const id = key("id", s.string);
const In = s.record("In", { timeMs: s.long, body: s.string });
const Out = s.record("Out", { row: s.string });
const Left = s.record("Left", { id: s.string });
const Sum = s.record("Sum", { n: s.long, total: s.double });

/** Runs the case as it is usually run, and again with other batches, caches, commits and restarts: what comes out may not depend on them. */
export async function runSubject(one: Case): Promise<SubjectOutcome> {
  const definition = definitionFor(one);
  if (definition === undefined) return { refused: [`windows.${one.kind}()`] };
  const refused = unsupportedFeatures(definition);
  return refused.length > 0 ? { refused } : await runDefinition(definition, one);
}

/** The same for any definition with the case's inputs and one output. */
export async function runDefinition(definition: ProcessorDefinition, one: Case): Promise<SubjectOutcome> {
  const compiled = compileProcessor(definition);
  const log = new MemoryLog();
  for (const record of one.records) {
    const input = compiled.inputs[record.input] as (typeof compiled.inputs)[number];
    log.append(input.topic, {
      key: compiled.key.encode(record.key),
      value: record.junk ? Buffer.of(0xff) : input.value.encode({ timeMs: record.timeMs, body: JSON.stringify(record) }),
      timestampMs: one.timeInValue ? 0 : record.timeMs,
    });
  }
  const usual = new Run(compiled, log, usualShape);
  const outputs = usual.drain();
  const { lateDropped, lateDeadLettered, lateHandled } = usual.task.counters;
  const rows = outputs.map((output) =>
    rowOf(output, compiled.outputs[0]?.value as { decode(b: Buffer, from: number, to: number): unknown }),
  );
  let invarianceFault: string | undefined;
  for (const { shape, batchesPerLife } of otherRuns(one)) {
    const again = new Run(compiled, log, shape);
    const others = batchesPerLife === undefined ? again.drain() : await again.drainWithRestarts(batchesPerLife);
    invarianceFault ??= difference(
      usual,
      outputs,
      again,
      others,
      `${JSON.stringify(shape)}, a restart each ${batchesPerLife ?? "∞"} batches`,
    );
  }
  return { rows, invarianceFault, lateCounted: { drop: lateDropped, "dead-letter": lateDeadLettered, handle: lateHandled } };
}

function otherRuns({ seed, records }: Case): { shape: RunShape; batchesPerLife: number | undefined }[] {
  const random = new Random(seed ^ 0x5eed);
  const shape = (): RunShape => ({
    batchRecords: random.pick([1, 2, 3, 7, 1000]),
    columnRecords: random.pick([1, 2, 5, 1000]),
    maxCachedKeys: random.pick([0, 1, 2, 1000]),
    batchesPerCommit: random.pick([1, 2, 5]),
  });
  const restarting = shape();
  return [
    { shape: shape(), batchesPerLife: undefined },
    { shape: restarting, batchesPerLife: random.between(1, Math.max(1, Math.ceil(records.length / restarting.batchRecords / 2))) },
  ];
}

function difference(
  usual: Run,
  expected: readonly OutputRecord[],
  again: Run,
  got: readonly OutputRecord[],
  how: string,
): string | undefined {
  const at = expected.findIndex((output, i) => !sameOutput(output, got[i]));
  if (at >= 0 || got.length !== expected.length) return `with ${how}: output ${at < 0 ? expected.length : at} differs`;
  if (again.task.meta.outputs !== usual.task.meta.outputs) return `with ${how}: the digest of the outputs differs`;
  if (again.task.meta.digest !== usual.task.meta.digest) return `with ${how}: the digest of the state differs`;
  return undefined;
}

function sameOutput(a: OutputRecord, b: OutputRecord | undefined): boolean {
  return (
    b !== undefined &&
    a.output === b.output &&
    a.causeInput === b.causeInput &&
    a.causeOffset === b.causeOffset &&
    a.timestampMs === b.timestampMs &&
    a.key.equals(b.key) &&
    (a.value === null ? b.value === null : b.value !== null && a.value.equals(b.value))
  );
}

/** What handlers send; the rest of a row comes from the output record itself. */
interface Said {
  readonly what: "window" | "late" | "read";
  readonly window: string;
  readonly key: string;
  readonly start: number | null;
  readonly end: number | null;
  readonly revision: number;
  readonly final: boolean;
  readonly result: WindowResult | null;
  readonly previous: WindowResult | null;
}

function rowOf(output: OutputRecord, value: { decode(b: Buffer, from: number, to: number): unknown }): ResultRow {
  const cause = { input: output.causeInput, offset: output.causeOffset, streamTimeMs: output.timestampMs };
  if (output.output === 0) {
    const bytes = output.value as Buffer;
    return { ...(JSON.parse((value.decode(bytes, 0, bytes.length) as { row: string }).row) as Said), ...cause };
  }
  const reason = output.headers?.find((h) => h.key === "reprise-reason")?.value ?? "";
  const found = /^late for (?:window|\d+ windows) (\w+)(?: of)? \[(\S+), (\S+)\)$/.exec(reason);
  if (found === null) throw new Error(`an unexpected dead letter: ${reason}`);
  const bound = (text: string | undefined): number | null => (Number.isFinite(Number(text)) ? Number(text) : null);
  return {
    ...cause,
    what: "dead-letter",
    window: found[1] as string,
    key: output.key.toString("utf8"),
    start: bound(found[2]),
    end: bound(found[3]),
    revision: 0,
    final: false,
    result: null,
    previous: null,
  };
}

const text = (said: Said): { row: string } => ({
  row: JSON.stringify(said, (_name, value: unknown) => {
    if (typeof value === "number" && !Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : null;
    return value;
  }),
});

interface WindowUse {
  add(values: object, at?: number): void;
  left(value: object, at?: number): void;
  right(value: string, at?: number): void;
  current(at: number): WindowResult | undefined;
}
interface Ctx {
  readonly key: string;
  readonly timestamp: number;
  readonly record: { readonly offset: bigint };
  readonly windows: { readonly [name: string]: WindowUse };
  readonly window: { start: number; end: number; revision: number; final: boolean; previous: WindowResult | undefined };
  readonly out: { readonly said: { emit(value: object): void } };
}

/** Undefined: this release has no such window. */
export function definitionFor(one: Case): ProcessorDefinition | undefined {
  if (one.windows.some((w) => !Object.hasOwn(windows, w.kind))) return undefined;
  const inputs = Object.fromEntries(
    one.disorderMs.map((disorderMs, i) => {
      const options = { key: id, value: In, outOfOrder: `${disorderMs}ms` as const };
      return [
        `in${i}`,
        one.timeInValue ? topic(`in${i}`, { ...options, time: (v: { timeMs: number }) => v.timeMs }) : topic(`in${i}`, options),
      ];
    }),
  );
  const onRecord = (value: { body: string }, ctx: Ctx): void => {
    const record = JSON.parse(value.body) as InRecord;
    for (const [c, contribution] of record.values.entries()) {
      for (const w of one.windows) {
        if (w.kind === "join") {
          const id = joinValueOf(record.input, Number(ctx.record.offset), c);
          const at = contribution.atMs === ctx.timestamp ? undefined : contribution.atMs;
          if (contribution.side === "left") ctx.windows[w.name]?.left({ id }, at);
          else ctx.windows[w.name]?.right(id, at);
          continue;
        }
        const values = valuesOf(w, contribution);
        if (contribution.atMs === ctx.timestamp) ctx.windows[w.name]?.add(values);
        else ctx.windows[w.name]?.add(values, contribution.atMs);
      }
    }
    for (const w of one.windows) {
      if (w.kind === "join") continue;
      const result = ctx.windows[w.name]?.current(record.readAtMs) ?? null;
      const rest = { start: null, end: null, revision: 0, final: false, previous: null };
      ctx.out.said.emit(text({ ...rest, what: "read", window: w.name, key: ctx.key, result }));
    }
  };
  const joins = new Set(one.windows.flatMap(({ kind, name }) => (kind === "join" ? [name] : [])));
  const onWindow = (window: string) => (given: WindowResult, ctx: Ctx) => {
    const result = joins.has(window) ? { ...given, left: (given["left"] as { id: string } | null)?.id ?? null, at: ctx.timestamp } : given;
    const { start, end, revision, final, previous } = ctx.window;
    ctx.out.said.emit(text({ what: "window", window, key: ctx.key, start, end, revision, final, result, previous: previous ?? null }));
  };
  const onLate = (window: string) => (result: WindowResult, ctx: Ctx) => {
    const { start, end } = ctx.window;
    ctx.out.said.emit(text({ what: "late", window, key: ctx.key, start, end, revision: 0, final: false, result, previous: null }));
  };
  const handlers = (names: readonly WindowCase[], of: (name: string) => unknown): object =>
    Object.fromEntries(names.map((w) => [w.name, of(w.name)]));
  const emitting = one.windows.filter((w) => w.emit !== "none");
  const handling = one.windows.filter((w) => w.late === "handle");
  const declared = processor({
    name: "differential",
    version: 1,
    key: id,
    order: one.order,
    inputs,
    onError: { decode: "skip" },
    outputs: { said: topic("said", { key: id, value: Out }) },
    windows: Object.fromEntries(one.windows.map((w) => [w.name, windowFor(w)])),
  } as never) as unknown as { handle(handlers: object): never };
  return definitionOf(
    declared.handle({
      on: Object.fromEntries(Object.keys(inputs).map((alias) => [alias, onRecord])),
      ...(emitting.length > 0 ? { onWindow: handlers(emitting, onWindow) } : {}),
      ...(handling.length > 0 ? { onLate: handlers(handling, onLate) } : {}),
    }),
  );
}

function windowFor(w: WindowCase): never {
  const make = (windows as unknown as { [kind: string]: (o: object) => never })[w.kind] as (o: object) => never;
  const ms = (n: number): string => `${n}ms`;
  if (w.kind === "join") return make({ left: Left, right: s.string, within: ms(w.sizeMs), grace: ms(w.graceMs), unmatched: w.unmatched });
  const own = {
    tumbling: { size: ms(w.sizeMs) },
    hopping: { size: ms(w.sizeMs), every: ms(w.stepMs) },
    rolling: { size: ms(w.sizeMs), step: ms(w.stepMs) },
    session: { gap: ms(w.sizeMs), ...(w.maxMs === null ? {} : { max: ms(w.maxMs) }) },
    calendar: { per: w.per, zone: w.zone },
    global: {},
  }[w.kind];
  return make({
    ...own,
    ...(w.kind === "global" ? {} : { grace: ms(w.graceMs), late: w.late }),
    ...(w.throttleMs === null ? {} : { throttle: ms(w.throttleMs) }),
    ...(w.keepMs === null ? {} : { keep: ms(w.keepMs) }),
    emit: w.emit,
    aggregate: Object.fromEntries(w.aggregates.map((a) => [nameOf(a), aggregateFor(w, a)])),
  });
}

function aggregateFor(w: WindowCase, a: AggregateCase): unknown {
  switch (a.type) {
    case "statistics":
      return a.words;
    case "word":
      return a.word;
    case "first":
      return first(s.string);
    case "last":
      return last(s.string);
    case "distinct":
      return distinct(s.string);
    case "approximate":
      return distinct(s.string, { approximate: true });
    case "top":
      return top(a.n, s.string);
    case "fold":
      return foldsInOrder(w)
        ? fold(s.string, { initial: "", add: (all, item: string | null) => all + (item ?? "") })
        : fold(Sum, {
            initial: { n: 0, total: 0 },
            add: ({ n, total }, item: string | null) => (item === null ? { n, total } : { n: n + 1, total: total + Number(item.slice(1)) }),
            merge: (left, right) => ({ n: left.n + right.n, total: left.total + right.total }),
          });
    default:
      return a satisfies never;
  }
}
