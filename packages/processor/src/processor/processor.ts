import type { Schema } from "@reprise/schema";
import { checkOneOf, checkOptions } from "../internal/check-options.ts";
import type { AnyKey } from "../key.ts";
import { checkClock, checkDeclaration, checkOnError, declarationNames, type Declared as CheckedParts } from "./check-declaration.ts";
import { checkHandlers } from "./check-handlers.ts";
import type { Context, RecordContext } from "./context.ts";
import type { Declaration, Metrics, States, Timers, Windows } from "./declaration.ts";
import type { Handlers } from "./handlers.ts";
import { manifestOf, withMigrations } from "./manifest.ts";
import { abi, processorBrand, type ProcessorDefinition } from "./processor-definition.ts";
import type { Inputs, Outputs, Shape, Tables } from "./shape.ts";

/** Carries a processor's shape for the compiler only. */
export declare const shapeType: unique symbol;

/** A declaration with its handlers: what a processor's file exports. */
export interface Processor<D extends Shape> {
  /** JSON-serialisable; see `Manifest`. */
  readonly manifest: object;
  readonly [shapeType]: D;
}

/** A declaration without handlers yet, so that helpers can be typed from it. */
export interface Declared<D extends Shape> {
  readonly manifest: object;
  readonly [shapeType]: D;
  /** @throws RepriseError INVALID_DECLARATION, ASYNC_HANDLER */
  handle(handlers: Handlers<D>): Processor<D>;
}

export type ContextOf<P> = P extends { readonly [shapeType]: infer D extends Shape } ? Context<D> : never;
/** For helpers of handlers of records, which also have `record` and `reject`. */
export type RecordContextOf<P> = P extends { readonly [shapeType]: infer D extends Shape } ? RecordContext<D> : never;
export type HandlersOf<P> = P extends { readonly [shapeType]: infer D extends Shape } ? Handlers<D> : never;

/**
 * Declares a processor. The declaration is data: its manifest exists before, and without, any handler.
 * @throws RepriseError INVALID_NAME, INVALID_DECLARATION, SCHEMA_INVALID, naming what is wrong
 * @example
 * export default processor({ name: "totals", version: 1, key: card, inputs: { payments }, state: { total: state.value(s.long, { initial: 0 }) } })
 *   .handle({ on: { payments(payment, ctx) { ctx.state.total.set(ctx.state.total.get() + payment.cents); } } });
 */
export function processor<
  const K extends AnyKey,
  const I extends Inputs<K>,
  const B extends Tables<K> = {},
  const O extends Outputs = {},
  const S extends States = {},
  const Ws extends Windows = {},
  const Ts extends Timers = {},
  P = {},
  const M extends Metrics = {},
>(
  declaration: Declaration<K, I, B, O, S, Ws, Ts, P, M>,
): Declared<{ key: K; inputs: I; tables: B; outputs: O; state: S; windows: Ws; timers: Ts; params: P; metrics: M }> {
  checkOptions(declaration, declarationNames, "processor");
  const parts = partsOf(declaration);
  checkDeclaration(parts);
  const what = `processor ${parts.name}`;
  const onError = checkOnError(declaration.onError, what);
  const checked = {
    abi,
    ...parts,
    windows: withLate(parts.windows, onError.late),
    order: checkOneOf(declaration.order ?? "log", ["log", "event-time"], `${what}: order`),
    clockMs: checkClock(declaration.clock, what),
    onError,
  } as const;
  const definition: Omit<ProcessorDefinition, "handlers"> = { ...checked, manifest: manifestOf(checked) };
  return Object.freeze({
    ...branded({ ...definition, handlers: undefined }),
    handle: (given: unknown) => {
      const handlers = checkHandlers(definition, given);
      return Object.freeze(branded({ ...definition, handlers, manifest: withMigrations(definition.manifest, handlers.migrate) }));
    },
  }) as unknown as Declared<{ key: K; inputs: I; tables: B; outputs: O; state: S; windows: Ws; timers: Ts; params: P; metrics: M }>;
}

function branded(definition: ProcessorDefinition): { readonly manifest: object; readonly [processorBrand]: ProcessorDefinition } {
  return { manifest: definition.manifest, [processorBrand]: Object.freeze(definition) };
}

/** Windows that say nothing of late contributions do what the processor says. Nothing is late for a global one. */
function withLate(windows: CheckedParts["windows"], late: "drop" | "dead-letter"): CheckedParts["windows"] {
  return Object.fromEntries(
    Object.entries(windows).map(([name, window]) => [
      name,
      window.lateByDefault && window.type !== "global" ? Object.freeze({ ...window, late }) : window,
    ]),
  );
}

/** The phantom types are the only difference between what is declared and what the engine reads. */
function partsOf(declaration: { readonly [name: string]: unknown } | object): CheckedParts {
  const d = declaration as Partial<CheckedParts>;
  return {
    name: d.name as string,
    version: d.version as number,
    key: d.key as AnyKey,
    inputs: { ...d.inputs },
    tables: { ...d.tables },
    outputs: { ...d.outputs },
    state: { ...d.state },
    windows: { ...d.windows },
    timers: { ...d.timers },
    params: d.params as Schema<unknown> | undefined,
    metrics: { ...d.metrics },
  };
}
