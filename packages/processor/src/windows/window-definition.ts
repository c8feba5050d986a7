import type { Schema } from "@reprise/schema";
import type { AggregateDefinition } from "./aggregate-definition.ts";
import type { Emit, Late, Unmatched } from "./window-spec.ts";

/** What windows have in common. All durations are event time. */
interface WindowDefinitionBase {
  readonly kind: "window";
  readonly graceMs: number;
  readonly emit: Emit;
  readonly late: Late;
  /** It says nothing of late contributions: the processor's `onError.late` counts. */
  readonly lateByDefault: boolean;
  /** Empty for joins. */
  readonly aggregate: { readonly [name: string]: AggregateDefinition };
  /** Ids of contributions, when they can be replaced or withdrawn. */
  readonly items: Schema<unknown> | undefined;
  readonly view: boolean;
  /** How long closed windows stay readable after end + grace; undefined: not at all. */
  readonly keepMs: number | undefined;
  readonly throttleMs: number | undefined;
}

export interface TumblingDefinition extends WindowDefinitionBase {
  readonly type: "tumbling";
  readonly sizeMs: number;
}
export interface HoppingDefinition extends WindowDefinitionBase {
  readonly type: "hopping";
  readonly sizeMs: number;
  readonly everyMs: number;
}
/** `sizeMs` is a multiple of `stepMs`. */
export interface RollingDefinition extends WindowDefinitionBase {
  readonly type: "rolling";
  readonly sizeMs: number;
  readonly stepMs: number;
}
export interface SessionDefinition extends WindowDefinitionBase {
  readonly type: "session";
  readonly gapMs: number;
  readonly maxMs: number | undefined;
}
export interface CalendarDefinition extends WindowDefinitionBase {
  readonly type: "calendar";
  readonly per: "day" | "week" | "month" /** IANA name. */;
  readonly zone: string;
}
/** `emit` is "change" or "none": it never ends. */
export interface GlobalDefinition extends WindowDefinitionBase {
  readonly type: "global";
}
export interface JoinDefinition extends WindowDefinitionBase {
  readonly type: "join";
  readonly left: Schema<unknown>;
  readonly right: Schema<unknown>;
  readonly withinMs: number;
  readonly unmatched: Unmatched;
}

export type WindowDefinition =
  | TumblingDefinition
  | HoppingDefinition
  | RollingDefinition
  | SessionDefinition
  | CalendarDefinition
  | GlobalDefinition
  | JoinDefinition;
