import { RepriseError } from "@reprise/schema";
import type { CompiledOutput, CompiledProcessor } from "../definition/compiled-processor.ts";
import type { EventBytes, EventCodec } from "../definition/event-codec.ts";
import { maxRecordBytes, type OutputBuffer } from "../output/output-buffer.ts";
import { hash128, hashResult } from "../state/digest.ts";
import type { TaskState } from "../state/task-state.ts";
import type { DueQueue } from "../time/due-queue.ts";
import { isEventTime, maxEpochMs } from "../time/event-time.ts";
import type { JoinWindow } from "../window/join-window.ts";
import type { EmittingWindow, KeyedItemWindow, KeyedWindow } from "../window/keyed-window.ts";
import type { Frame } from "./frame.ts";
import { RejectSignal } from "./reject-signal.ts";
import type { CompiledSlot } from "../definition/compiled-slot.ts";
import type { ReferenceTable } from "../table/reference-table.ts";
import { BroadcastHandle, TableHandle } from "./table-handle.ts";
import type { Expiry } from "../time/expiry.ts";
import { JoinHandle } from "./join-handle.ts";
import { ListHandle } from "./list-handle.ts";
import { MapHandle, ValueHandle } from "./state-handles.ts";
import type { TaskHooks } from "./task-hooks.ts";
import { TimerHandle, TimersById } from "./timer-handles.ts";
import { ItemWindowHandle, type LateSink, WindowHandle } from "./window-handle.ts";
import { sourceHeaders } from "../route/origin-stamp.ts";
import { nameOfPlace, placeOf } from "../route/record-place.ts";
import { readHeaders } from "./record-headers.ts";

export interface ContextParts {
  readonly processor: CompiledProcessor;
  readonly frame: Frame;
  readonly state: TaskState;
  readonly queue: DueQueue;
  /** By slot. */
  readonly expiries: readonly (Expiry | undefined)[];
  readonly outputs: OutputBuffer;
  readonly windows: ReadonlyMap<string, EmittingWindow>;
  readonly tables: readonly ReferenceTable[];
  readonly hooks: TaskHooks;
  readonly late: LateSink;
}

/** `ctx` of a handler. One object per task; what it says comes from the frame of the call that is under way. */
export class HandlerContext {
  readonly state: { readonly [name: string]: unknown };
  readonly windows: { readonly [name: string]: unknown };
  readonly timers: { readonly [name: string]: unknown };
  readonly tables: { readonly [name: string]: unknown };
  readonly out: { readonly [name: string]: unknown };
  readonly metrics: { readonly [name: string]: unknown };
  readonly log: { info(message: string, fields?: object): void; warn(message: string, fields?: object): void };
  /** Bounds of the window in `onWindow` and `onLate`. */
  window: unknown = undefined;
  private readonly parts: ContextParts;

  constructor(parts: ContextParts) {
    this.parts = parts;
    const { processor, frame, hooks } = parts;
    const handles = processor.slots.map((slot) => ({ kind: slot.kind, named: [slot.name, makeHandle(slot, parts)] as const }));
    const of = (...kinds: CompiledSlot["kind"][]): { readonly [name: string]: unknown } =>
      Object.fromEntries(handles.flatMap(({ kind, named }) => (kinds.includes(kind) ? [named] : [])));
    this.state = of("value", "map", "list");
    this.windows = of("window");
    this.timers = of("timer");
    this.tables = of("table");
    this.out = Object.fromEntries(processor.outputs.map((output, index) => [output.alias, makeOutput(output, index, parts)]));
    this.metrics = Object.fromEntries(Object.keys(processor.definition.metrics).map((name) => [name, makeCounter(name, frame, hooks)]));
    this.log = {
      info: (message, fields) => hooks.log("info", message, fields),
      warn: (message, fields) => hooks.log("warn", message, fields),
    };
  }

  get key(): unknown {
    return this.parts.frame.live().entry.key;
  }

  get timestamp(): number {
    return this.parts.frame.live().timestampMs;
  }

  get params(): unknown {
    return this.parts.processor.params;
  }

  get record(): { topic: string; partition: number; offset: bigint; headers: { readonly [name: string]: string } } {
    const { columns, index, offset } = this.parts.frame.live();
    const { sources } = this.parts.processor;
    if (!sources.has(columns.topic))
      return { topic: columns.topic, partition: columns.partition, offset: BigInt(offset), headers: readHeaders(columns, index) };
    const place = placeOf(sources, columns, index, offset);
    return { topic: place.topic, partition: place.partition, offset: BigInt(place.offset), headers: sourceHeaders(columns, index) };
  }

  reject(reason: string): never {
    throw new RejectSignal(reason);
  }

  /** A UUID (version 8) from the record's position and a count: the same in every replay. */
  uuid(): string {
    const [a, b, c, d] = this.draw();
    const hex = [a, b, c, d].map((w) => w.toString(16).padStart(8, "0")).join("");
    const variant = ((Number.parseInt(hex[16] as string, 16) & 3) | 8).toString(16);
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`;
  }

  /** Uniform in [0, 1), from the record's position and a count. */
  random(): number {
    const [a, b] = this.draw();
    return ((a >>> 5) * 67108864 + (b >>> 6)) / 9007199254740992;
  }

  private draw(): [number, number, number, number] {
    const frame = this.parts.frame.live();
    const { topic, partition, offset, index } = placeOf(
      this.parts.processor.sources,
      frame.causeColumns,
      frame.causeIndex,
      frame.causeOffset,
    );
    // One record in several tasks: each draws its own.
    const copy = index === 0 ? "" : `\0${index}`;
    const seed = Buffer.from(`${topic}\0${partition}\0${offset}${copy}\0${frame.drawn++}`);
    hash128(seed, 0, seed.length, 0x5eed);
    return [hashResult[0] as number, hashResult[1] as number, hashResult[2] as number, hashResult[3] as number];
  }
}

function makeHandle(slot: CompiledSlot, parts: ContextParts): unknown {
  switch (slot.kind) {
    case "value":
      return new ValueHandle(slot, parts.state, parts.frame, parts.expiries[slot.slot]);
    case "map":
      return new MapHandle(slot, parts.state, parts.frame, parts.expiries[slot.slot]);
    case "list":
      return new ListHandle(slot, parts.state, parts.frame, parts.expiries[slot.slot]);
    case "window": {
      const window = parts.windows.get(slot.name);
      if (slot.definition.type === "join") return new JoinHandle(window as JoinWindow, parts.frame, parts.late);
      return slot.items !== undefined
        ? new ItemWindowHandle(window as KeyedItemWindow, parts.frame, parts.late)
        : new WindowHandle(window as KeyedWindow, parts.frame, parts.late);
    }
    case "table": {
      const table = parts.tables.find((one) => one.slot === slot) as ReferenceTable;
      return slot.broadcast ? new BroadcastHandle(table, parts.frame) : new TableHandle(table, parts.frame);
    }
    case "timer":
      return slot.id === undefined
        ? new TimerHandle(slot, parts.state, parts.frame, parts.queue)
        : new TimersById(slot, parts.state, parts.frame, parts.queue);
  }
}

interface EmitOptions {
  readonly key?: unknown;
  readonly timestamp?: number;
  readonly headers?: { readonly [name: string]: string };
}

function makeOutput(output: CompiledOutput, index: number, parts: ContextParts): unknown {
  const emit = (value: unknown, given: EmitOptions | undefined): void => {
    const bytes = value === null ? null : encode(output, "value", value);
    send(bytes, given, given?.headers);
  };
  const send = (bytes: Buffer | null, options: EmitOptions | undefined, headers: EmitOptions["headers"]): void => {
    const frame = parts.frame.live();
    let key: Buffer;
    if (options?.key !== undefined) key = encode(output, "key", options.key);
    else if (output.sameKey) key = frame.entry.bytes;
    else throw new RepriseError("OUTPUT_INVALID", `output ${output.alias} has another key than the processor: emit(value, { key })`);
    if (key.length + (bytes?.length ?? 0) + headersLength(headers) > maxRecordBytes) {
      throw new RepriseError(
        "OUTPUT_INVALID",
        `output ${output.alias} (${output.topic}): a record of ${key.length + (bytes?.length ?? 0)} bytes is larger than the ${maxRecordBytes} that may be sent`,
      );
    }
    if (options?.timestamp !== undefined && !isEventTime(options.timestamp)) {
      const given = String(options.timestamp);
      throw new RepriseError(
        "OUTPUT_INVALID",
        `output ${output.alias} (${output.topic}): a timestamp in epoch ms within ±${maxEpochMs} was expected, got ${given}`,
      );
    }
    const { sources } = parts.processor;
    parts.outputs.add({
      output: index,
      key,
      value: bytes,
      timestampMs: options?.timestamp ?? frame.outputTimeMs,
      causeInput: frame.causeInput,
      causeOffset: frame.causeOffset,
      cause: sources.size === 0 ? undefined : nameOfPlace(placeOf(sources, frame.causeColumns, frame.causeIndex, frame.causeOffset)),
      headers: headers === undefined ? undefined : Object.entries(headers).map(([k, v]) => ({ key: k, value: v })),
    });
  };
  if (output.kind === "table")
    return {
      upsert: (value: unknown, options?: EmitOptions) => emit(value, options),
      delete: (options?: EmitOptions) => emit(null, options),
    };
  const { events } = output;
  if (events === undefined) return { emit: (value: unknown, options?: EmitOptions) => emit(value, options) };
  return {
    emit(type: string, value: unknown, options?: EmitOptions) {
      const bytes = encodeEvent(output, events, type, value);
      send(bytes.value, options, bytes.headers === undefined ? options?.headers : { ...options?.headers, ...bytes.headers });
    },
  };
}

/** At most three bytes of UTF-8 per character. */
function headersLength(headers: EmitOptions["headers"]): number {
  let length = 0;
  if (headers !== undefined) for (const [name, value] of Object.entries(headers)) length += 3 * (name.length + String(value).length);
  return length;
}

function encode(output: CompiledOutput, part: "key" | "value", value: unknown): Buffer {
  try {
    return output[part].encode(value);
  } catch (cause) {
    throw new RepriseError(
      "OUTPUT_INVALID",
      `output ${output.alias} (${output.topic}): ${part}: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
}

function encodeEvent(output: CompiledOutput, events: EventCodec, type: string, value: unknown): EventBytes {
  try {
    return events.encode(type, value);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RepriseError("OUTPUT_INVALID", `output ${output.alias} (${output.topic}): ${type}: ${reason}`, { cause });
  }
}

function makeCounter(name: string, frame: Frame, hooks: TaskHooks): unknown {
  return {
    inc(labelsOrBy?: { readonly [label: string]: string } | number, by?: number): void {
      frame.live();
      if (typeof labelsOrBy === "object") hooks.count(name, labelsOrBy, by ?? 1);
      else hooks.count(name, {}, labelsOrBy ?? 1);
    },
  };
}
