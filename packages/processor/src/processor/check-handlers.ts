import { checkSyncFunction } from "../internal/check-function.ts";
import { checkOptions, refuseDeclaration } from "../internal/check-options.ts";
import { ignore } from "./ignore.ts";
import type { MigrationDefinition } from "./migrate.ts";
import type { HandlersDefinition, InputDefinition, ProcessorDefinition } from "./processor-definition.ts";

type Given = { readonly [name: string]: unknown };

/**
 * Handlers, complete and without any for what is not declared, as the engine reads them.
 * @throws RepriseError INVALID_DECLARATION, ASYNC_HANDLER, naming the handler
 */
export function checkHandlers(d: Omit<ProcessorDefinition, "handlers">, given: unknown): HandlersDefinition {
  const what = `processor ${d.name}`;
  checkOptions(given, ["on", "onTimer", "onWindow", "onLate", "migrate"], `${what}: handle`);
  const handlers = given as Given;
  const on = part(handlers, "on", Object.keys(d.inputs), what);
  for (const [alias, input] of Object.entries(d.inputs)) checkInputHandler(input, on[alias], `${what}: on.${alias}`);
  const windows = Object.entries(d.windows);
  const emitting = windows.filter(([, window]) => window.emit !== "none").map(([name]) => name);
  const late = windows.filter(([, window]) => window.late === "handle").map(([name]) => name);
  return Object.freeze({
    on: on as HandlersDefinition["on"],
    onTimer: functions(handlers, "onTimer", Object.keys(d.timers), what) as HandlersDefinition["onTimer"],
    onWindow: functions(handlers, "onWindow", emitting, what) as HandlersDefinition["onWindow"],
    onLate: functions(handlers, "onLate", late, what) as HandlersDefinition["onLate"],
    migrate: checkMigrations(d, handlers["migrate"], what),
  });
}

/** The handlers of one kind: exactly those in `needed`. */
function part(handlers: Given, name: string, needed: readonly string[], what: string): Given {
  const given = handlers[name] ?? {};
  if (typeof given !== "object") refuseDeclaration(`${what}: ${name}`, "expected an object of handlers");
  for (const key of Object.keys(given))
    if (!needed.includes(key))
      refuseDeclaration(
        `${what}: ${name}.${key}`,
        `nothing of this name is declared that has such a handler${needed.length > 0 ? `; there are ${needed.join(", ")}` : ""}`,
      );
  for (const key of needed) if (!Object.hasOwn(given, key)) refuseDeclaration(`${what}: ${name}.${key}`, "has no handler");
  return Object.freeze({ ...given });
}

function functions(handlers: Given, name: string, needed: readonly string[], what: string): Given {
  const given = part(handlers, name, needed, what);
  for (const [key, handler] of Object.entries(given)) checkSyncFunction(handler, `${what}: ${name}.${key}`);
  return given;
}

function checkInputHandler(input: InputDefinition, handler: unknown, what: string): void {
  const source = input.kind === "rekey" ? input.from : input;
  if (source.kind !== "events") return checkSyncFunction(handler, what);
  if (typeof handler !== "object" || handler === null) refuseDeclaration(what, "expected one handler per type of event");
  const given = handler as Given;
  for (const type of Object.keys(given))
    if (!Object.hasOwn(source.events, type)) refuseDeclaration(`${what}.${type}`, "no event of this type is declared");
  for (const type of Object.keys(source.events)) {
    if (!Object.hasOwn(given, type)) refuseDeclaration(`${what}.${type}`, "has no handler; use ignore for events that don't matter");
    if (given[type] !== ignore) checkSyncFunction(given[type], `${what}.${type}`);
  }
}

function checkMigrations(d: Omit<ProcessorDefinition, "handlers">, given: unknown, what: string): HandlersDefinition["migrate"] {
  if (given === undefined) return {};
  if (typeof given !== "object" || given === null) refuseDeclaration(`${what}: migrate`, "expected an object by version");
  for (const [version, parts] of Object.entries(given as Given)) {
    const from = Number(version);
    if (!Number.isSafeInteger(from) || from < 1 || from >= d.version)
      refuseDeclaration(`${what}: migrate.${version}`, `expected a version before ${d.version}`);
    if (typeof parts !== "object" || parts === null)
      refuseDeclaration(`${what}: migrate.${version}`, "expected an object by state or window");
    for (const [name, migration] of Object.entries(parts as Given))
      checkMigration(d, name, migration, `${what}: migrate.${version}.${name}`);
  }
  return given as HandlersDefinition["migrate"];
}

function checkMigration(d: Omit<ProcessorDefinition, "handlers">, name: string, migration: unknown, what: string): void {
  if (!Object.hasOwn(d.state, name) && !Object.hasOwn(d.windows, name))
    refuseDeclaration(what, "no state or window of this name is declared");
  if (migration === "reset") return;
  if (Object.hasOwn(d.windows, name)) refuseDeclaration(what, 'windows can only be "reset"');
  if ((migration as MigrationDefinition | null | undefined)?.kind !== "migration")
    refuseDeclaration(what, 'expected migrate(...) or "reset"');
}
