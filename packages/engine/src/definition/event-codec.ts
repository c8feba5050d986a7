import { ignore, type EventsDefinition } from "@reprise/processor";
import { RepriseError, type SchemaRuntime, schemaRuntime } from "@reprise/schema";
import { jsonStringField } from "../internal/json-string-field.ts";
import type { RecordColumns } from "../ports/log-reader.ts";
import { readHeaders } from "../task/record-headers.ts";

/** An event as `time`, `watermark` and the handlers get it. */
export interface TypedEvent {
  readonly type: string;
  readonly data: unknown;
}

export interface EventBytes {
  readonly value: Buffer;
  readonly headers: { readonly [name: string]: string } | undefined;
}

/** Reads and writes the records of a topic that has several types, told apart by a field of the JSON value or by a header. */
export class EventCodec {
  private readonly topic: string;
  private readonly types: ReadonlyMap<string, SchemaRuntime<unknown>>;
  /** Types whose bodies need not be decoded: nobody looks at them. */
  private readonly unread: ReadonlySet<string>;
  private readonly field: string | undefined;
  private readonly header: string | undefined;
  private readonly fieldBytes: Buffer;

  get typeNames(): readonly string[] {
    return [...this.types.keys()];
  }

  /** @param unread types that decode without their data */
  constructor(definition: EventsDefinition, unread: ReadonlySet<string> = new Set()) {
    const by = definition.by as { readonly field?: string; readonly header?: string };
    this.topic = definition.name;
    this.types = new Map(Object.entries(definition.events).map(([type, schema]) => [type, schemaRuntime(schema)]));
    this.unread = unread;
    this.field = by.field;
    this.header = by.header;
    this.fieldBytes = Buffer.from(JSON.stringify(by.field ?? ""));
  }

  /** @throws RepriseError RECORD_UNDECODABLE naming the type, or what is in its place · SCHEMA_INVALID */
  decode(columns: RecordColumns, row: number): TypedEvent {
    const start = columns.valueStarts[row] as number;
    const end = start + (columns.valueLengths[row] as number);
    return this.decodeAs(this.header === undefined ? undefined : readHeaders(columns, row)[this.header], columns.bytes, start, end);
  }

  /** What `encode` made. @throws as `decode` */
  decodeEncoded({ value, headers }: EventBytes): TypedEvent {
    return this.decodeAs(this.header === undefined ? undefined : headers?.[this.header], value, 0, value.length);
  }

  private decodeAs(headerText: string | undefined, bytes: Buffer, start: number, end: number): TypedEvent {
    const type = this.header === undefined ? jsonStringField(bytes, start, end, this.fieldBytes) : headerText;
    const runtime = type === undefined ? undefined : this.types.get(type);
    if (type === undefined || runtime === undefined) throw this.unknown(type);
    if (this.unread.has(type)) return { type, data: undefined };
    return { type, data: runtime.decode(bytes, start, end) };
  }

  /** @throws RepriseError SCHEMA_INVALID · OUTPUT_INVALID for a type that is not declared, or data that says it is another */
  encode(type: string, data: unknown): EventBytes {
    const runtime = this.types.get(type);
    if (runtime === undefined) throw new RepriseError("OUTPUT_INVALID", this.unknown(type).message);
    const value = runtime.encode(data);
    if (this.header !== undefined) return { value, headers: { [this.header]: type } };
    const said = jsonStringField(value, 0, value.length, this.fieldBytes);
    if (said === type) return { value, headers: undefined };
    if (said !== undefined || value[0] !== 0x7b)
      throw new RepriseError(
        "OUTPUT_INVALID",
        `${this.topic}: an event of type ${type} must be a JSON object whose field "${this.field}" is that type or is left to the engine`,
      );
    const head = `{"${this.field}":${JSON.stringify(type)}${value[1] === 0x7d ? "" : ","}`;
    return { value: Buffer.concat([Buffer.from(head), value.subarray(1)]), headers: undefined };
  }

  private unknown(type: string | undefined): RepriseError {
    const where = this.header === undefined ? `field "${this.field}"` : `header "${this.header}"`;
    const problem = type === undefined ? `has no ${where} with its type` : `is of type "${type}", which is not declared`;
    return new RepriseError("RECORD_UNDECODABLE", `an event of ${this.topic} ${problem}; there are ${[...this.types.keys()].join(", ")}`);
  }
}

type EventHandlers = { readonly [type: string]: ((data: unknown, ctx: unknown) => unknown) | typeof ignore };

/** The types that have `ignore` in the place of their handler. */
export function ignoredTypes(handlers: EventHandlers): ReadonlySet<string> {
  return new Set(Object.keys(handlers).filter((type) => handlers[type] === ignore));
}

/** One handler for all types of an input; never called for those that are ignored. */
export function eventHandler(handlers: EventHandlers): (event: unknown, ctx: unknown) => unknown {
  const byType = new Map(Object.entries(handlers));
  return (event, ctx) => {
    const { type, data } = event as TypedEvent;
    return (byType.get(type) as (data: unknown, ctx: unknown) => unknown)(data, ctx);
  };
}
