import { parseDuration, RepriseError, type Schema } from "@reprise/schema";
import { checkAlias } from "../internal/check-name.ts";
import { checkOneOf, checkOptions, positiveMs, refuseDeclaration } from "../internal/check-options.ts";
import { checkSchema } from "../internal/check-schema.ts";
import type { Aggregates } from "./aggregate.ts";
import type { AggregateDefinition, CustomAggregateDefinition } from "./aggregate-definition.ts";
import type { WindowDefinition } from "./window-definition.ts";
import type { Emit, Late, WindowOptions } from "./window-spec.ts";

export type AnyWindowOptions = WindowOptions<Aggregates, unknown, Emit, Late, true>;

const commonNames = ["aggregate", "grace", "emit", "throttle", "late", "items", "view", "keep"] as const;
const statistics = new Set(["sum", "min", "max", "mean", "variance", "stddev"]);

type Common = Pick<
  WindowDefinition,
  "kind" | "graceMs" | "emit" | "late" | "lateByDefault" | "aggregate" | "items" | "view" | "keepMs" | "throttleMs"
>;

/** The options that all windows share. `own` are the names of the others. @throws RepriseError INVALID_DECLARATION, INVALID_ARGUMENT */
export function commonOptions(o: AnyWindowOptions, own: readonly string[], what: string): Common {
  checkOptions(o, [...own, ...commonNames], what);
  const emit = checkOneOf(o.emit ?? "final", ["final", "end", "change", "none"], `${what}: emit`);
  if (o.throttle !== undefined && emit !== "end" && emit !== "change")
    refuseDeclaration(`${what}: throttle`, `has no meaning with emit "${emit}"`);
  if (o.view !== undefined && o.view !== true) refuseDeclaration(`${what}: view`, "expected true");
  if (o.items !== undefined) checkSchema(o.items, `${what}: items`);
  return {
    kind: "window",
    graceMs: o.grace === undefined ? 0 : parseDuration(o.grace, `${what}: grace`),
    emit,
    late: checkOneOf(o.late ?? "drop", ["drop", "dead-letter", "handle"], `${what}: late`),
    lateByDefault: o.late === undefined,
    aggregate: aggregates(o.aggregate, what),
    items: o.items as Schema<unknown> | undefined,
    view: o.view === true,
    keepMs: o.keep === undefined ? undefined : parseDuration(o.keep, `${what}: keep`),
    throttleMs: o.throttle === undefined ? undefined : positiveMs(o.throttle, `${what}: throttle`),
  };
}

function aggregates(given: Aggregates, what: string): { readonly [name: string]: AggregateDefinition } {
  if (typeof given !== "object" || given === null) refuseDeclaration(`${what}: aggregate`, "expected an object of aggregates");
  for (const [name, aggregate] of Object.entries(given)) {
    checkAlias(name, `${what}: aggregate`);
    if (name === "count")
      throw new RepriseError("INVALID_NAME", `${what}: aggregate "count" is what every window has anyway`, { details: { what, name } });
    checkAggregate(aggregate, `${what}: aggregate ${name}`);
  }
  return Object.freeze({ ...given }) as { readonly [name: string]: AggregateDefinition };
}

function checkAggregate(aggregate: unknown, what: string): void {
  if (Array.isArray(aggregate)) {
    if (aggregate.length === 0) refuseDeclaration(what, "expected at least one statistic");
    for (const statistic of aggregate) checkStatistic(statistic, what);
    return;
  }
  if ((aggregate as CustomAggregateDefinition | null | undefined)?.kind === "aggregate") return;
  checkStatistic(aggregate, what);
}

function checkStatistic(statistic: unknown, what: string): void {
  if (typeof statistic === "string" && (statistics.has(statistic) || isPercentile(statistic))) return;
  refuseDeclaration(
    what,
    `expected sum, min, max, mean, variance, stddev, a percentile such as p95, or first, last, distinct, top, fold; got ${JSON.stringify(statistic) ?? String(statistic)}`,
  );
}

/** p50, p99.9: above 0, at most 100. */
function isPercentile(statistic: string): boolean {
  if (!/^p\d+(\.\d+)?$/.test(statistic)) return false;
  const percent = Number(statistic.slice(1));
  return percent > 0 && percent <= 100;
}
