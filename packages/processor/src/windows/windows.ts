import { type Duration, parseDuration, RepriseError, type Schema } from "@reprise/schema";
import { checkOneOf, checkOptions, positiveMs, refuseDeclaration } from "../internal/check-options.ts";
import { checkSchema } from "../internal/check-schema.ts";
import type { Aggregates } from "./aggregate.ts";
import type {
  CalendarDefinition,
  GlobalDefinition,
  HoppingDefinition,
  JoinDefinition,
  RollingDefinition,
  SessionDefinition,
  TumblingDefinition,
} from "./window-definition.ts";
import { type AnyWindowOptions, commonOptions } from "./window-options.ts";
import type { Emit, JoinSpec, Late, Unmatched, WindowOptions, WindowSpec } from "./window-spec.ts";

/** A function that makes one kind of window. */
export type WindowMaker<Extra> = <
  const A extends Aggregates,
  Id = never,
  const E extends Emit = "final",
  const L extends Late = "drop",
  const O extends true = never,
>(
  o: Extra & WindowOptions<A, Id, E, L, O>,
) => WindowSpec<A, Id, E, L, O>;

export interface JoinOptions<L, R, U extends Unmatched> {
  readonly left: Schema<L>;
  readonly right: Schema<R>;
  /** Event time between the two of a pair, in either order. */
  readonly within: Duration;
  /** How much longer a contribution waits for its match, beyond what the watermark waits for anyway. Default "0s". */
  readonly grace?: Duration;
  /** Which side's contributions are given with null for the other when they can't match any more. Default "none". */
  readonly unmatched?: U;
}

export type GlobalOptions<A extends Aggregates, Id, E extends "change" | "none", O> = Omit<
  WindowOptions<A, Id, E, "drop", O>,
  "grace" | "late" | "keep" | "emit"
> & { readonly emit: E };

/** What `windows` is. All throw RepriseError INVALID_DECLARATION or INVALID_ARGUMENT for options that make no sense. */
export interface WindowsBuilder {
  /** One after the other, aligned to the epoch. */
  readonly tumbling: WindowMaker<{ readonly size: Duration }>;
  /** A new one every `every`, at most `size`. */
  readonly hopping: WindowMaker<{ readonly size: Duration; readonly every: Duration }>;
  /** The last `size`, moving by `step`; stored in slices of `step`, so the cost does not grow with size / step. `size` is a multiple of `step`. */
  readonly rolling: WindowMaker<{ readonly size: Duration; readonly step: Duration }>;
  /** Until nothing has come for `gap`; `max` bounds its length. */
  readonly session: WindowMaker<{ readonly gap: Duration; readonly max?: Duration }>;
  /** Days, weeks (from Monday) or months of a time zone, whatever its clocks do. */
  readonly calendar: WindowMaker<{ readonly per: "day" | "week" | "month"; readonly zone: string }>;
  /** One for ever. Nothing is late for it, and it is never over: it is emitted for each record that changed it, or only read. */
  global<const A extends Aggregates, const E extends "change" | "none", Id = never, const O extends true = never>(
    o: GlobalOptions<A, Id, E, O>,
  ): WindowSpec<A, Id, E, "drop", O>;
  /** Stream to stream: every pair within `within`, at once; `unmatched` sides when their time is over. */
  join<L, R, const U extends Unmatched = "none">(o: JoinOptions<L, R, U>): JoinSpec<L, R, U>;
}

type With<Extra> = Extra & AnyWindowOptions;

/**
 * Windows: state that has bounds and closes.
 * @example
 * windows: { byHour: windows.tumbling({ size: "1h", grace: "6h", aggregate: { delay: ["mean", "p95"] } }) }
 */
export const windows: WindowsBuilder = Object.freeze({
  tumbling: (o: With<{ size: Duration }>): TumblingDefinition =>
    Object.freeze({
      ...commonOptions(o, ["size"], "windows.tumbling"),
      type: "tumbling",
      sizeMs: positiveMs(o.size, "windows.tumbling: size"),
    }),

  hopping(o: With<{ size: Duration; every: Duration }>): HoppingDefinition {
    const common = commonOptions(o, ["size", "every"], "windows.hopping");
    const sizeMs = positiveMs(o.size, "windows.hopping: size");
    const everyMs = positiveMs(o.every, "windows.hopping: every");
    if (everyMs > sizeMs)
      refuseDeclaration("windows.hopping", `every (${o.every}) is longer than size (${o.size}): what lies between would count nowhere`);
    return Object.freeze({ ...common, type: "hopping", sizeMs, everyMs });
  },

  rolling(o: With<{ size: Duration; step: Duration }>): RollingDefinition {
    const common = commonOptions(o, ["size", "step"], "windows.rolling");
    const sizeMs = positiveMs(o.size, "windows.rolling: size");
    const stepMs = positiveMs(o.step, "windows.rolling: step");
    if (sizeMs % stepMs !== 0) refuseDeclaration("windows.rolling", `size (${o.size}) is no multiple of step (${o.step})`);
    return Object.freeze({ ...common, type: "rolling", sizeMs, stepMs });
  },

  session(o: With<{ gap: Duration; max?: Duration }>): SessionDefinition {
    const common = commonOptions(o, ["gap", "max"], "windows.session");
    const gapMs = positiveMs(o.gap, "windows.session: gap");
    const maxMs = o.max === undefined ? undefined : positiveMs(o.max, "windows.session: max");
    if (maxMs !== undefined && maxMs < gapMs) refuseDeclaration("windows.session", `max (${String(o.max)}) is shorter than gap (${o.gap})`);
    return Object.freeze({ ...common, type: "session", gapMs, maxMs });
  },

  calendar(o: With<{ per: "day" | "week" | "month"; zone: string }>): CalendarDefinition {
    const common = commonOptions(o, ["per", "zone"], "windows.calendar");
    checkZone(o.zone);
    return Object.freeze({
      ...common,
      type: "calendar",
      per: checkOneOf(o.per, ["day", "week", "month"], "windows.calendar: per"),
      zone: o.zone,
    });
  },

  global(o: AnyWindowOptions): GlobalDefinition {
    const what = "windows.global";
    const common = commonOptions(o, [], what);
    for (const name of ["grace", "late", "keep"] as const)
      if (o[name] !== undefined) refuseDeclaration(`${what}: ${name}`, "has no meaning for a window that never ends");
    checkOneOf(common.emit, ["change", "none"], `${what}: emit`);
    return Object.freeze({ ...common, type: "global" });
  },

  join(o: JoinOptions<unknown, unknown, Unmatched>): JoinDefinition {
    checkOptions(o, ["left", "right", "within", "grace", "unmatched"], "windows.join");
    checkSchema(o.left, "windows.join: left");
    checkSchema(o.right, "windows.join: right");
    return Object.freeze({
      kind: "window",
      type: "join",
      left: o.left,
      right: o.right,
      withinMs: positiveMs(o.within, "windows.join: within"),
      graceMs: o.grace === undefined ? 0 : parseDuration(o.grace, "windows.join: grace"),
      unmatched: checkOneOf(o.unmatched ?? "none", ["none", "left", "right", "both"], "windows.join: unmatched"),
      emit: "change",
      late: "drop",
      lateByDefault: true,
      aggregate: Object.freeze({}),
      items: undefined,
      view: false,
      keepMs: undefined,
      throttleMs: undefined,
    });
  },
}) as unknown as WindowsBuilder;

function checkZone(zone: unknown): void {
  try {
    if (typeof zone !== "string") throw new RangeError(`expected the name of a time zone, got ${typeof zone}`);
    new Intl.DateTimeFormat("en", { timeZone: zone });
  } catch (cause) {
    throw new RepriseError("INVALID_DECLARATION", `windows.calendar: zone: ${(cause as Error).message}`, {
      details: { zone: String(zone) },
      cause,
    });
  }
}
