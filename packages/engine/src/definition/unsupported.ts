import { describeSchema, RepriseError, type Schema } from "@reprise/schema";
import type { ProcessorDefinition } from "@reprise/processor";

/** What a definition declares and this release can't run, one phrase each. Empty: it can be run. */
export function unsupportedFeatures(definition: ProcessorDefinition): string[] {
  const out: string[] = [];
  for (const [alias, input] of Object.entries(definition.inputs)) {
    if (input.kind === "rekey") {
      if (input.from.watermark !== undefined) out.push(`input ${alias}: rekey() of a topic with a watermark function`);
      if (input.from.kind === "events" && input.from.by === "registry") out.push(`input ${alias}: events() told apart by "registry"`);
    } else if (input.kind === "events" && input.by === "registry") out.push(`input ${alias}: events() told apart by "registry"`);
    else if (input.partitioner === "crc32") out.push(`input ${alias}: partitioner "crc32"`);
  }
  for (const [alias, reference] of Object.entries(definition.tables))
    if ((reference.kind === "broadcast" ? reference.table : reference).partitioner === "crc32")
      out.push(`tables.${alias}: partitioner "crc32"`);
  for (const [alias, output] of Object.entries(definition.outputs))
    if (output.kind === "events" && output.by === "registry") out.push(`output ${alias}: events() told apart by "registry"`);
  for (const [name, state] of Object.entries(definition.state)) {
    if (state.view !== undefined && state.view.index.length > 0) out.push(`state.${name}: view index`);
  }
  for (const [name, window] of Object.entries(definition.windows)) {
    if (window.type === "session" && window.items !== undefined && window.maxMs !== undefined)
      out.push(`windows.${name}: items of windows.session() with max`);
  }
  for (const [where, schema] of schemasOf(definition)) {
    const { format } = describeSchema(schema);
    if (format === "registry" || format === "protobuf") out.push(`${where}: ${format}()`);
  }
  return out;
}

/** Every schema that records or rows are read and written with, by the name of what has it. */
function schemasOf(definition: ProcessorDefinition): [string, Schema<unknown>][] {
  const out: [string, Schema<unknown>][] = [[`key ${definition.key.name}`, definition.key.schema as Schema<unknown>]];
  for (const [alias, declared] of Object.entries(definition.inputs)) {
    const input = declared.kind === "rekey" ? declared.from : declared;
    if (input.kind === "topic" || input.kind === "table") out.push([`input ${alias}`, input.value]);
    else if (input.kind === "events")
      for (const [type, schema] of Object.entries(input.events)) out.push([`input ${alias}: type ${type}`, schema]);
  }
  for (const [alias, output] of Object.entries(definition.outputs)) {
    out.push([`key of output ${alias}`, output.key.schema as Schema<unknown>]);
    if (output.kind !== "events") out.push([`output ${alias}`, output.value]);
    else for (const [type, schema] of Object.entries(output.events)) out.push([`output ${alias}: type ${type}`, schema]);
  }
  for (const [alias, reference] of Object.entries(definition.tables)) {
    const table = reference.kind === "broadcast" ? reference.table : reference;
    out.push([`tables.${alias}`, table.value], [`key of tables.${alias}`, table.key.schema as Schema<unknown>]);
  }
  for (const [name, state] of Object.entries(definition.state)) {
    if (state.type === "value") out.push([`state.${name}`, state.schema]);
    if (state.type === "map") out.push([`state.${name}: key`, state.key], [`state.${name}`, state.value]);
    if (state.type === "list") out.push([`state.${name}`, state.item]);
  }
  for (const [name, window] of Object.entries(definition.windows))
    if (window.type === "join") out.push([`windows.${name}: left`, window.left], [`windows.${name}: right`, window.right]);
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
