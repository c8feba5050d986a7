import { describeSchema, RepriseError, type Schema } from "@reprise/schema";
import type { ProcessorDefinition } from "@reprise/processor";
import { type AggregateDefinitions, unsupportedAggregates } from "../window/aggregate-layout.ts";

/** What a definition declares and this release can't run, one phrase each. Empty: it can be run. */
export function unsupportedFeatures(definition: ProcessorDefinition): string[] {
  const out: string[] = [];
  if (definition.onError.late !== "drop") out.push(`onError.late: "${definition.onError.late}" (set late on the window)`);
  if (definition.order !== "log") out.push(`order: "${definition.order}"`);
  if (definition.clockMs !== undefined) out.push("clock");
  for (const [alias, input] of Object.entries(definition.inputs)) {
    if (input.kind !== "topic" && input.kind !== "table") out.push(`input ${alias}: ${input.kind === "rekey" ? "rekey()" : "events()"}`);
    else if (input.partitioner === "crc32") out.push(`input ${alias}: partitioner "crc32"`);
  }
  for (const alias of Object.keys(definition.tables))
    out.push(`tables.${alias}: ${definition.tables[alias]?.kind === "broadcast" ? "broadcast()" : "table as of the record's time"}`);
  for (const [alias, output] of Object.entries(definition.outputs)) if (output.kind === "events") out.push(`output ${alias}: events()`);
  for (const [name, state] of Object.entries(definition.state)) {
    if (state.type === "list") out.push(`state.${name}: state.list()`);
    if (state.ttlMs !== undefined) out.push(`state.${name}: ttl`);
    if (state.view !== undefined && state.view.index.length > 0) out.push(`state.${name}: view index`);
  }
  for (const [name, window] of Object.entries(definition.windows)) {
    if (window.type !== "tumbling") {
      out.push(`windows.${name}: windows.${window.type}()`);
      continue;
    }
    if (window.emit === "change") out.push(`windows.${name}: emit "change"`);
    if (window.throttleMs !== undefined) out.push(`windows.${name}: throttle`);
    if (window.items !== undefined) out.push(`windows.${name}: items`);
    if (window.keepMs !== undefined) out.push(`windows.${name}: keep`);
    for (const what of unsupportedAggregates(window.aggregate as AggregateDefinitions)) out.push(`windows.${name}.aggregate.${what}`);
  }
  if (Object.keys(definition.handlers?.migrate ?? {}).length > 0) out.push("migrate");
  for (const [where, schema] of schemasOf(definition)) {
    const { format } = describeSchema(schema);
    if (format === "registry" || format === "protobuf") out.push(`${where}: ${format}()`);
  }
  return out;
}

/** Every schema that records or rows are read and written with, by the name of what has it. */
function schemasOf(definition: ProcessorDefinition): [string, Schema<unknown>][] {
  const out: [string, Schema<unknown>][] = [[`key ${definition.key.name}`, definition.key.schema as Schema<unknown>]];
  for (const [alias, input] of Object.entries(definition.inputs))
    if (input.kind === "topic" || input.kind === "table") out.push([`input ${alias}`, input.value]);
  for (const [alias, output] of Object.entries(definition.outputs)) {
    if (output.kind === "events") continue;
    out.push([`output ${alias}`, output.value], [`key of output ${alias}`, output.key.schema as Schema<unknown>]);
  }
  for (const [name, state] of Object.entries(definition.state)) {
    if (state.type === "value") out.push([`state.${name}`, state.schema]);
    if (state.type === "map") out.push([`state.${name}: key`, state.key], [`state.${name}`, state.value]);
  }
  for (const [name, { id }] of Object.entries(definition.timers)) if (id !== undefined) out.push([`timers.${name}`, id]);
  if (definition.params !== undefined) out.push(["params", definition.params]);
  return out;
}

/** @throws RepriseError NOT_SUPPORTED naming everything that this release can't run yet */
export function assertSupported(definition: ProcessorDefinition): void {
  const features = unsupportedFeatures(definition);
  if (features.length === 0) return;
  throw new RepriseError(
    "NOT_SUPPORTED",
    `${definition.name} v${definition.version} declares what this release can't run yet: ${features.join(", ")}`,
    {
      details: { processor: definition.name, version: definition.version, features: features.join(", ") },
    },
  );
}
