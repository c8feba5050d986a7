import { refuseDeclaration } from "../internal/check-options.ts";
import { checkAlias } from "../internal/check-name.ts";

export interface Counter<L> {
  readonly labels: L;
}

/** What handlers get. `by` defaults to 1. */
export type CounterState<L> = keyof L extends never
  ? { inc(by?: number): void }
  : { inc(labels: { readonly [N in keyof L]: L[N] extends readonly (infer V)[] ? V : never }, by?: number): void };

export interface CounterDefinition {
  readonly kind: "counter";
  readonly help: string;
  /** Every value of every label, so that the number of series is bounded. */
  readonly labels: { readonly [label: string]: readonly string[] };
}

/**
 * A counter of the processor's own, exported to Prometheus. Labels name all their values: rendering time and memory are bounded.
 * @throws RepriseError INVALID_DECLARATION, INVALID_NAME
 */
export function counter(help: string): Counter<{}>;
export function counter<const L extends { readonly [label: string]: readonly string[] }>(help: string, labels: L): Counter<L>;
export function counter(
  help: string,
  labels: { readonly [label: string]: readonly string[] } = {},
): Counter<{ readonly [label: string]: readonly string[] }> {
  if (typeof help !== "string" || help.length === 0) refuseDeclaration("counter", "expected a help text");
  for (const [label, values] of Object.entries(labels)) {
    checkAlias(label, `counter "${help}": label`);
    if (!Array.isArray(values) || values.length === 0 || values.some((value) => typeof value !== "string"))
      refuseDeclaration(`counter "${help}": label ${label}`, "expected the list of its values");
  }
  const definition: CounterDefinition = { kind: "counter", help, labels };
  return Object.freeze(definition);
}
