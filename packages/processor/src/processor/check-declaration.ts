import { type Duration, RepriseError } from "@reprise/schema";
import { checkAlias, checkName } from "../internal/check-name.ts";
import { checkOneOf, checkOptions, positiveMs, refuseDeclaration } from "../internal/check-options.ts";
import { checkSchema } from "../internal/check-schema.ts";
import { checkKey } from "../topics/check-key.ts";
import type { OnErrorDefinition, ProcessorDefinition } from "./processor-definition.ts";

/** The parts of a definition that need checking; all of them are there. */
export type Declared = Omit<ProcessorDefinition, "abi" | "manifest" | "handlers" | "onError" | "order" | "clockMs">;

export const declarationNames = [
  "name",
  "version",
  "key",
  "inputs",
  "tables",
  "outputs",
  "state",
  "windows",
  "timers",
  "params",
  "metrics",
  "order",
  "clock",
  "onError",
] as const;

/**
 * What the compiler can't say, and what plain JavaScript could get wrong.
 * @throws RepriseError INVALID_NAME, INVALID_DECLARATION, SCHEMA_INVALID
 */
export function checkDeclaration(d: Declared): void {
  const what = `processor ${String(d.name)}`;
  checkName(d.name, "processor");
  if (!Number.isSafeInteger(d.version) || d.version < 1)
    refuseDeclaration(what, `version: expected a positive integer, got ${String(d.version)}`);
  checkKey(d.key, what);
  if (d.params !== undefined) checkSchema(d.params, `${what}: params`);
  checkKinds(d, what);
  checkInputs(d, what);
  checkTables(d, what);
  checkTopicsOnce(d.outputs, `${what}: output`);
  for (const name of Object.keys(d.windows)) {
    if (Object.hasOwn(d.state, name))
      throw new RepriseError(
        "INVALID_NAME",
        `${what}: "${name}" is both a state and a window; views are found by name, so it must be one`,
        { details: { what, name } },
      );
  }
}

/** Below it a tick per partition would be most of what is in the log. */
const shortestClockMs = 1_000;

/** @throws RepriseError INVALID_ARGUMENT, INVALID_DECLARATION */
export function checkClock(clock: Duration | undefined, what: string): number | undefined {
  if (clock === undefined) return undefined;
  const ms = positiveMs(clock, `${what}: clock`);
  if (ms < shortestClockMs) refuseDeclaration(`${what}: clock`, `expected at least 1s, got ${clock}`);
  return ms;
}

const kindsOf = {
  inputs: ["topic", "table", "events", "rekey"],
  tables: ["table", "broadcast"],
  outputs: ["topic", "table", "events"],
  state: ["state"],
  windows: ["window"],
  timers: ["timer"],
  metrics: ["counter"],
} as const;

function checkKinds(d: Declared, what: string): void {
  for (const part of Object.keys(kindsOf) as (keyof typeof kindsOf)[]) {
    const given: { readonly [name: string]: { readonly kind?: string } | null | undefined } | null = d[part];
    if (typeof given !== "object" || given === null) refuseDeclaration(what, `${part}: expected an object`);
    for (const [name, value] of Object.entries(given)) {
      checkAlias(name, `${what}: ${part}`);
      const kind = value?.kind;
      if (kind === undefined || !(kindsOf[part] as readonly string[]).includes(kind))
        refuseDeclaration(`${what}: ${part}: ${name}`, `expected ${kindsOf[part].join(" or ")}, got ${kind ?? typeof value}`);
    }
  }
}

function checkInputs(d: Declared, what: string): void {
  const inputs = Object.entries(d.inputs);
  if (inputs.length === 0) refuseDeclaration(what, "inputs: expected at least one");
  for (const [alias, input] of inputs) checkSameKey(d, input.key.name, `${what}: inputs: ${alias}`);
  checkTopicsOnce(d.inputs, `${what}: input`);
}

function checkTables(d: Declared, what: string): void {
  const read = new Map(Object.entries(d.inputs).map(([alias, { name }]) => [name, `inputs: ${alias}`]));
  for (const [alias, reference] of Object.entries(d.tables)) {
    const table = reference.kind === "broadcast" ? reference.table : reference;
    if (reference.kind === "table") checkSameKey(d, table.key.name, `${what}: tables: ${alias}`);
    const other = read.get(table.name);
    if (other !== undefined) refuseDeclaration(`${what}: tables: ${alias}`, `"${table.name}" is already ${other}`);
    read.set(table.name, `tables: ${alias}`);
  }
}

function checkSameKey(d: Declared, name: string, what: string): void {
  if (name !== d.key.name)
    refuseDeclaration(what, `its key is "${name}", the processor's is "${d.key.name}"; use rekey for a topic, broadcast for a table`);
}

/** Two names for one topic would be two readers, or two writers, of the same records. */
function checkTopicsOnce(topics: { readonly [alias: string]: { readonly name: string } }, what: string): void {
  const seen = new Map<string, string>();
  for (const [alias, { name }] of Object.entries(topics)) {
    const other = seen.get(name);
    if (other !== undefined) refuseDeclaration(`${what} ${alias}`, `"${name}" is already ${other}`);
    seen.set(name, alias);
  }
}

/** With the defaults filled in. @throws RepriseError INVALID_DECLARATION */
export function checkOnError(given: Partial<OnErrorDefinition> | undefined, what: string): OnErrorDefinition {
  const o = given ?? {};
  checkOptions(o, ["decode", "handler", "late"], `${what}: onError`);
  return Object.freeze({
    decode: checkOneOf(o.decode ?? "fail", ["fail", "skip", "dead-letter"], `${what}: onError.decode`),
    handler: checkOneOf(o.handler ?? "fail", ["fail", "skip", "dead-letter"], `${what}: onError.handler`),
    late: checkOneOf(o.late ?? "drop", ["drop", "dead-letter"], `${what}: onError.late`),
  });
}
