import { RepriseError, type Schema, type SchemaRuntime, schemaRuntime } from "@reprise/schema";
import type { ProcessorDefinition, TableDefinition, TopicDefinition } from "@reprise/processor";
import type { SlotCodec } from "../state/task-state.ts";
import { codecOf, compileSlots } from "./compile-slots.ts";
import type { CompiledSlot } from "./compiled-slot.ts";
import { assertSupported } from "./unsupported.ts";

export interface CompiledInput {
  readonly alias: string;
  readonly topic: string;
  readonly kind: "topic" | "table";
  readonly value: SchemaRuntime<unknown>;
  /** Event time of a value in epoch ms; undefined: the record's timestamp. */
  readonly time: ((value: unknown) => number) | undefined;
  readonly outOfOrderMs: number;
  readonly handler: (value: unknown, ctx: unknown) => unknown;
}

export interface CompiledOutput {
  readonly alias: string;
  readonly topic: string;
  readonly kind: "topic" | "table";
  readonly key: SchemaRuntime<unknown>;
  readonly value: SchemaRuntime<unknown>;
  /** Same key as the processor's: the handler need not name it. */
  readonly sameKey: boolean;
}

export type ErrorPolicy = "fail" | "skip" | "dead-letter";

/** A definition made ready to run: everything that is looked up by name is resolved once. */
export interface CompiledProcessor {
  readonly definition: ProcessorDefinition;
  readonly name: string;
  readonly version: number;
  readonly key: SchemaRuntime<unknown>;
  /** In the order of the declaration; the first is the lead input. */
  readonly inputs: readonly CompiledInput[];
  readonly outputs: readonly CompiledOutput[];
  /** Sorted by name, then kind: the order in which things fire that are due at the same time. */
  readonly slots: readonly CompiledSlot[];
  readonly slotCodecs: readonly SlotCodec[];
  /** Watermark = stream time − this. */
  readonly disorderMs: number;
  readonly params: unknown;
  readonly onDecodeError: ErrorPolicy;
  readonly onHandlerError: ErrorPolicy;
}

export type AnyFunction = (...args: unknown[]) => unknown;
export type HandlerGroup = { readonly [name: string]: AnyFunction } | undefined;

/**
 * @param params of the deployment; defaults are filled in
 * @throws RepriseError NOT_SUPPORTED · INVALID_DECLARATION · SCHEMA_INVALID naming the parameter
 */
export function compileProcessor(definition: ProcessorDefinition, params: unknown = {}): CompiledProcessor {
  assertSupported(definition);
  const handlers = definition.handlers as unknown as { readonly [group: string]: HandlerGroup } | undefined;
  if (handlers === undefined)
    throw new RepriseError(
      "INVALID_DECLARATION",
      `${definition.name} v${definition.version} has no handlers: export processor({...}).handle({...})`,
    );
  const slots = compileSlots(definition, handlers);
  const inputs = Object.entries(definition.inputs).map(([alias, declared]): CompiledInput => {
    const input = declared as TopicDefinition | TableDefinition;
    return {
      alias,
      topic: input.name,
      kind: input.kind,
      value: schemaRuntime(input.value),
      time: input.time as ((value: unknown) => number) | undefined,
      outOfOrderMs: input.outOfOrderMs,
      handler: handlers["on"]?.[alias] as AnyFunction,
    };
  });
  return {
    definition,
    name: definition.name,
    version: definition.version,
    key: schemaRuntime(definition.key.schema as Schema<unknown>),
    inputs,
    outputs: Object.entries(definition.outputs).map(([alias, declared]) => {
      const output = declared as TopicDefinition | TableDefinition;
      return {
        alias,
        topic: output.name,
        kind: output.kind,
        key: schemaRuntime(output.key.schema as Schema<unknown>),
        value: schemaRuntime(output.value),
        sameKey: output.key.name === definition.key.name,
      };
    }),
    slots,
    slotCodecs: slots.map(codecOf),
    disorderMs: Math.max(0, ...inputs.map((i) => i.outOfOrderMs)),
    params: compileParams(definition, params),
    onDecodeError: definition.onError.decode,
    onHandlerError: definition.onError.handler,
  };
}

function compileParams(definition: ProcessorDefinition, params: unknown): unknown {
  if (definition.params === undefined) return Object.freeze({});
  return Object.freeze(schemaRuntime(definition.params as Schema<unknown>).fromJson(JSON.stringify(params ?? {})));
}
