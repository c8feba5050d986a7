import type { CompiledProcessor } from "../definition/compiled-processor.ts";
import type { CompiledSlot } from "../definition/compiled-slot.ts";
import type { StoredRow } from "../ports/state-store.ts";
import { parseHeldSubkey } from "../order/held-row.ts";
import { ListHead } from "../state/list-rows.ts";
import { decodeNumber } from "../state/ordered-key.ts";
import { type ParsedRowKey, parseRowKey } from "../state/row-key.ts";
import { Stamped } from "../state/stamped.ts";
import type { TableVersions } from "../table/table-versions.ts";
import { allContents, placeOf } from "../window/item-rows.ts";
import { type JoinRow, numberOfJoinRow, timeOfJoinRow } from "../window/join-row.ts";
import type { WindowRow } from "../window/window-row.ts";
import { plainJson } from "./plain-json.ts";

/** A stored row in the words of the declaration. What has a schema is JSON text as the schema writes it. */
export interface ShownRow {
  /** Of the state, window, timer or table. Of held records: `held records`. */
  readonly state: string;
  readonly kind: CompiledSlot["kind"] | "window items" | "held record";
  /** JSON text. */
  readonly key: string;
  /** JSON text: which of the key's rows; absent where there is one. */
  readonly entry?: string;
  /** JSON text. */
  readonly value: string;
}

/** As one line of JSON. */
export function shownRowJson({ state, kind, key, entry, value }: ShownRow): string {
  const head = `{"state":${JSON.stringify(state)},"kind":${JSON.stringify(kind)},"key":${key}`;
  return `${head}${entry === undefined ? "" : `,"entry":${entry}`},"value":${value}}`;
}

/** @throws what decoding throws: the row is not one of this processor's version */
export function shownRow(processor: CompiledProcessor, row: StoredRow): ShownRow {
  const parsed = parseRowKey(row.key);
  const bytes = Buffer.from(row.value.buffer, row.value.byteOffset, row.value.byteLength);
  if (parsed.slot === processor.heldSlot) return heldRow(processor, parsed, bytes);
  const slot = processor.slots[parsed.slot];
  const decoded = processor.slotCodecs[parsed.slot]?.decode(bytes);
  if (slot === undefined) return itemRow(processor, parsed, decoded);
  return { state: slot.name, kind: slot.kind, key: keyJson(processor, slot, parsed.key), ...content(slot, parsed.subkey, decoded) };
}

const keyJson = (processor: CompiledProcessor, slot: CompiledSlot | undefined, key: Buffer): string => {
  const schema = slot?.kind === "table" && slot.broadcast ? slot.key : processor.key;
  return schema.toJson(schema.decode(key, 0, key.length));
};

function content(slot: CompiledSlot, subkey: Buffer, decoded: unknown): { readonly entry?: string; readonly value: string } {
  const plain = decoded instanceof Stamped ? decoded.value : decoded;
  switch (slot.kind) {
    case "value":
      return { value: slot.schema.toJson(plain) };
    case "map":
      return { entry: slot.entryKeySchema.toJson(slot.entryKey.decode(subkey)), value: slot.schema.toJson(plain) };
    case "list":
      // The head says which items there are; they are rows themselves.
      if (decoded instanceof ListHead) return { value: JSON.stringify({ first: decoded.first, next: decoded.next }) };
      return { entry: String(subkey.readUIntBE(0, subkey.length)), value: slot.schema.toJson(plain) };
    case "timer":
      return {
        ...(slot.id === undefined ? {} : { entry: slot.id.toJson(slot.id.decode(subkey, 0, subkey.length)) }),
        value: JSON.stringify({ dueMs: decoded }),
      };
    case "table": {
      const { versions, forgotten } = decoded as TableVersions;
      const shown = versions.map(
        ({ fromMs, value }) => `{"fromMs":${fromMs},"value":${value === undefined ? "null" : slot.schema.toJson(value)}}`,
      );
      return { value: `{"versions":[${shown.join(",")}],"forgotten":${forgotten}}` };
    }
    case "window":
      return slot.definition.type === "join" ? joinRow(subkey, decoded as JoinRow) : windowRow(slot, subkey, decoded as WindowRow);
  }
}

function windowRow(slot: Extract<CompiledSlot, { kind: "window" }>, subkey: Buffer, row: WindowRow): { entry: string; value: string } {
  const about = { count: row.count, revision: row.revision };
  // Its result stands in its items until it is emitted or read.
  const value = row.stale === true ? about : { ...about, ...slot.layout.result(row) };
  return { entry: JSON.stringify({ startMs: decodeNumber(subkey) }), value: plainJson(value) };
}

function joinRow(subkey: Buffer, { matched, bytes }: JoinRow): { entry: string; value: string } {
  const entry = { side: subkey[0] === 0 ? "left" : "right", timeMs: timeOfJoinRow(subkey), number: numberOfJoinRow(subkey) };
  return { entry: JSON.stringify(entry), value: plainJson({ matched, bytes }) };
}

function itemRow(processor: CompiledProcessor, { slot, key, subkey }: ParsedRowKey, decoded: unknown): ShownRow {
  const window = processor.slots.find((one) => one.kind === "window" && one.items?.slot === slot);
  if (window === undefined) throw new RangeError(`slot ${slot} is none of ${processor.name} v${processor.version}`);
  const isContent = subkey[0] === allContents.from[0];
  const entry =
    subkey.length === 0 ? {} : { entry: JSON.stringify(isContent ? placeOf(subkey) : { id: subkey.subarray(1).toString("base64") }) };
  return { state: window.name, kind: "window items", key: keyJson(processor, undefined, key), ...entry, value: plainJson(decoded) };
}

function heldRow(processor: CompiledProcessor, { key, subkey }: ParsedRowKey, bytes: Buffer): ShownRow {
  const { timeMs, input, offset } = parseHeldSubkey(subkey);
  const topic = processor.inputs[input]?.topic ?? "";
  const entry = JSON.stringify({ timeMs, topic, offset });
  return { state: "held records", kind: "held record", key: keyJson(processor, undefined, key), entry, value: plainJson(bytes) };
}
