import { type AggregateCase, type Case, type Contribution, type InRecord, type Kind, kinds, type WindowCase } from "./case.ts";
import { Random } from "./random.ts";

const keys = ["a", "b", "é", "z"];
const items = ["i0", "i1", "i2", "i3", "i4"];
const statistics = ["sum", "min", "max", "mean", "variance", "stddev"];
const percentiles = ["p50", "p95", "p99.9"];
/** Clocks that shift at night, at midnight (forward and back), by half an hour, and not at all. */
const zones = ["Europe/Berlin", "America/New_York", "America/Sao_Paulo", "America/Havana", "Australia/Lord_Howe", "UTC", "Asia/Kolkata"];
const hourMs = 3_600_000;

/** The case of a seed; `kind` is that of its first window, by default it goes by turns. */
export function generate(seed: number, kind: Kind = kinds[Math.abs(seed) % kinds.length] as Kind): Case {
  const random = new Random(seed);
  const unitMs = kind === "calendar" ? hourMs * random.pick([0.5, 1, 6]) : random.pick([1, 1, 1000]);
  const inputs = random.chance(0.25) ? 2 : 1;
  const disorderMs = Array.from({ length: inputs }, () => unitMs * random.pick([0, 0, 3, 7, 20]));
  const windows = [windowOf(random, "w", kind, unitMs)];
  // Of several windows the order matters: by time, then name. Mostly of the same kind, so that they fall due together.
  if (random.chance(0.2)) windows.push(windowOf(random, random.pick(["a", "x"]), kind, unitMs));
  const timeInValue = random.chance(0.7);
  const records = recordsOf(random, { unitMs, inputs, timeInValue, windows });
  return { seed, kind, order: random.chance(0.15) ? "event-time" : "log", disorderMs, timeInValue, windows, records };
}

function windowOf(random: Random, name: string, kind: Kind, unitMs: number): WindowCase {
  const step = random.pick([1, 2, 5, 10]);
  const size = kind === "hopping" ? step * random.pick([1, 2, 3]) + random.pick([0, 0, 1]) : step * random.pick([1, 2, 4]);
  const emit = random.pick(kind === "global" ? (["change", "none"] as const) : (["final", "end", "change", "none"] as const));
  const common: WindowCase = {
    name,
    kind,
    sizeMs: kind === "calendar" ? 0 : size * unitMs,
    stepMs: (kind === "hopping" || kind === "rolling" ? step : size) * unitMs,
    maxMs: null,
    per: random.pick(["day", "week", "month"]),
    zone: random.pick(zones),
    emit,
    late: kind === "global" ? "drop" : random.pick(["drop", "dead-letter", "handle"]),
    graceMs: unitMs * random.pick([0, 4, 15, 40]),
    throttleMs: (emit === "end" || emit === "change") && random.chance(0.25) ? unitMs * random.pick([1, 6, 30]) : null,
    keepMs: kind !== "global" && kind !== "session" && random.chance(0.15) ? unitMs * random.pick([1, 10, 50]) : null,
    aggregates: aggregatesOf(random),
    unmatched: "none",
  };
  if (kind !== "join") return common;
  const unmatched = random.pick(["none", "left", "right", "both", "both"] as const);
  return { ...common, emit: "final", late: "drop", throttleMs: null, keepMs: null, aggregates: [], unmatched };
}

function aggregatesOf(random: Random): AggregateCase[] {
  const out: AggregateCase[] = [];
  if (random.chance(0.6)) out.push({ type: "statistics", words: statistics.filter(() => random.chance(0.5)) });
  if (random.chance(0.3)) out.push({ type: "word", word: random.pick(statistics) });
  if (random.chance(0.4)) out.push({ type: "fold" });
  for (const type of ["first", "last", "distinct", "approximate"] as const) if (random.chance(0.15)) out.push({ type });
  if (random.chance(0.15)) out.push({ type: "top", n: random.pick([1, 2, 3]) });
  if (random.chance(0.15)) out.push({ type: "word", word: random.pick(percentiles) });
  return out.filter((a, i) => (a.type !== "statistics" || a.words.length > 0) && out.findIndex((b) => same(a, b)) === i);
}

const same = (a: AggregateCase, b: AggregateCase): boolean => JSON.stringify(a) === JSON.stringify(b);

interface StreamShape {
  readonly unitMs: number;
  readonly inputs: number;
  readonly timeInValue: boolean;
  readonly windows: readonly WindowCase[];
}

/** A stream that mostly moves on, and has what real ones have: see the choices. */
function recordsOf(random: Random, { unitMs, inputs, timeInValue, windows }: StreamShape): InRecord[] {
  // Kafka timestamps are not negative; event times of a value may be. The last three lie before changes of the clocks.
  const base = timeInValue
    ? random.pick([-40 * unitMs, 0, 1_700_000_000_123, 1_743_280_000_000, 1_541_280_000_000, 1_762_040_000_000])
    : random.pick([100 * unitMs, 1_762_040_000_000]);
  const least = timeInValue ? Number.NEGATIVE_INFINITY : 0;
  const count = random.pick([1, 3, 10, 30, 60]);
  const usedKeys = keys.slice(0, random.between(1, keys.length));
  const reach = Math.max(...windows.map((w) => w.graceMs + (w.sizeMs === 0 ? 24 * hourMs : w.sizeMs)));
  const idleFrom = random.chance(0.5) ? random.below(count) : count;
  const numbers = random.pick([
    (): number => random.between(-8, 40) / 4,
    (): number => 1e9 + random.between(0, 400) / 4,
    (): number => random.between(0, 3),
  ]);
  const contribution = (atMs: number): Contribution => ({
    atMs,
    x: random.chance(0.12) ? null : numbers(),
    item: random.chance(0.12) ? null : random.pick(items),
    side: "left",
  });
  const joins = windows.some(({ kind }) => kind === "join");
  const out: InRecord[] = [];
  let nowMs = base;
  for (let i = 0; i < count; i++) {
    const before = out.at(-1);
    if (before !== undefined && random.chance(0.04)) {
      out.push(before);
      continue;
    }
    let timeMs = nowMs;
    const choice = random.next();
    if (choice < 0.5) timeMs = nowMs += unitMs * random.pick([1, 1, 2, 3]);
    else if (choice < 0.6) timeMs = nowMs += reach * random.pick([1, 2, 5]);
    else if (choice < 0.75) timeMs = nowMs - unitMs * random.between(0, 12);
    else if (choice < 0.9) timeMs = nowMs - random.between(0, Math.ceil(1.5 * reach));
    else if (choice < 0.91) timeMs = nowMs + 1000 * reach;
    // Odd milliseconds, where the unit is longer.
    if (unitMs > 1 && random.chance(0.3)) timeMs += random.between(-1, 1);
    timeMs = Math.max(least, timeMs);
    const values = random.chance(0.08) ? [] : [contribution(random.chance(0.1) ? timeMs + random.between(-reach, reach) : timeMs)];
    if (values.length > 0 && random.chance(0.1)) values.push(contribution(timeMs + random.between(-reach, reach)));
    const input = inputs === 2 && i < idleFrom && random.chance(0.4) ? 1 : 0;
    // Of two inputs each is mostly a side of its own.
    const side = (): "left" | "right" => ((inputs === 2 && random.chance(0.8) ? input === 0 : random.chance(0.5)) ? "left" : "right");
    out.push({
      input,
      key: random.pick(usedKeys),
      timeMs,
      values: joins ? values.map((v) => ({ ...v, side: side() })) : values,
      junk: random.chance(0.03),
      readAtMs: random.chance(0.8) ? timeMs : timeMs + random.between(-reach, reach),
    });
  }
  return out;
}
