import { type Schema, schemaRuntime } from "@reprise/schema";
import { checkSyncFunction } from "../internal/check-function.ts";
import { checkOptions, refuseDeclaration } from "../internal/check-options.ts";
import { checkSchema } from "../internal/check-schema.ts";
import type { Aggregate } from "./aggregate.ts";
import type { CustomAggregateDefinition } from "./aggregate-definition.ts";

/** The phantom type is the only difference between a definition and an aggregate. */
const aggregate = <In, Out>(definition: CustomAggregateDefinition): Aggregate<In, Out> =>
  Object.freeze(definition) as unknown as Aggregate<In, Out>;

/** The value with the smallest event time; of equal times, the one that came first. @throws RepriseError SCHEMA_INVALID */
export function first<T>(schema: Schema<T>): Aggregate<T, T> {
  checkSchema(schema, "first");
  return aggregate({ kind: "aggregate", type: "first", schema: schema as Schema<unknown> });
}

/** The value with the largest event time; of equal times, the one that came last. @throws RepriseError SCHEMA_INVALID */
export function last<T>(schema: Schema<T>): Aggregate<T, T> {
  checkSchema(schema, "last");
  return aggregate({ kind: "aggregate", type: "last", schema: schema as Schema<unknown> });
}

/** How many different values; `approximate` bounds the memory. null does not count. @throws RepriseError SCHEMA_INVALID */
export function distinct<T>(schema: Schema<T>, o: { readonly approximate?: boolean } = {}): Aggregate<T, number> {
  checkSchema(schema, "distinct");
  checkOptions(o, ["approximate"], "distinct");
  return aggregate({ kind: "aggregate", type: "distinct", schema: schema as Schema<unknown>, approximate: o.approximate === true });
}

/** The n items with the largest sums of `by`. @throws RepriseError SCHEMA_INVALID, INVALID_DECLARATION */
export function top<T>(
  n: number,
  schema: Schema<T>,
): Aggregate<{ readonly item: T; readonly by: number }, readonly { readonly item: T; readonly by: number }[]> {
  if (!Number.isSafeInteger(n) || n < 1) refuseDeclaration("top", `expected a positive number of items, got ${String(n)}`);
  checkSchema(schema, "top");
  return aggregate({ kind: "aggregate", type: "top", n, schema: schema as Schema<unknown> });
}

/**
 * An own aggregate. `add` and `merge` must be pure: they run again in every replay.
 * @throws RepriseError SCHEMA_INVALID, INVALID_DECLARATION, ASYNC_HANDLER
 */
export function fold<A, In>(
  schema: Schema<A>,
  o: { readonly initial: NoInfer<A>; readonly add: (total: A, input: In) => NoInfer<A>; readonly merge?: (a: A, b: A) => NoInfer<A> },
): Aggregate<In, A> {
  checkSchema(schema, "fold");
  checkOptions(o, ["initial", "add", "merge"], "fold");
  checkSyncFunction(o.add, "fold: add");
  if (o.merge !== undefined) checkSyncFunction(o.merge, "fold: merge");
  schemaRuntime(schema).check(o.initial);
  return aggregate({
    kind: "aggregate",
    type: "fold",
    schema: schema as Schema<unknown>,
    initial: schemaRuntime(schema).clone(o.initial),
    add: o.add as (total: unknown, input: unknown) => unknown,
    merge: o.merge as ((a: unknown, b: unknown) => unknown) | undefined,
  });
}
