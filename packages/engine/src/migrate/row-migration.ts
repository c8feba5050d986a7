import { evolveBytes, RepriseError, type Schema, type SchemaRuntime, schemaRuntime } from "@reprise/schema";
import type { MigrationDefinition } from "@reprise/processor";
import type { CompiledProcessor } from "../definition/compiled-processor.ts";
import type { CompiledSlot } from "../definition/compiled-slot.ts";
import type { StoredRow } from "../ports/state-store.ts";
import { itemRowBytes, itemValueStart } from "../state/list-rows.ts";
import { parseRowKey, rowKey } from "../state/row-key.ts";
import { stampBytes, stampOf, stampedBytes } from "../state/stamped.ts";
import { orMinusInfinity, type TaskMeta } from "../task/task-meta.ts";
import type { SlotMove, StateMigration } from "./plan-migration.ts";

type Change = (bytes: Buffer) => Buffer | undefined;

interface Move {
  readonly to: number;
  /** Undefined: the bytes stay as they are. */
  readonly change: Change | undefined;
}

/** Turns the stored rows of an older version into rows of this one. */
export class RowMigration {
  private readonly moves = new Map<number, Move>();
  private readonly what: string;

  /**
   * @param fromVersion whose rows they are
   * @param times where the rows were copied
   */
  constructor(
    plan: StateMigration,
    processor: CompiledProcessor,
    fromVersion: number,
    times: Pick<TaskMeta, "streamTimeMs" | "watermarkMs">,
  ) {
    // What state expires by.
    const stateTimeMs = orMinusInfinity(processor.heldSlot === undefined ? times.streamTimeMs : times.watermarkMs);
    this.what = `${processor.name} v${processor.version} from v${fromVersion}`;
    for (const move of plan.moves) {
      const slot = processor.slots[move.to] as CompiledSlot;
      this.moves.set(move.from, { to: move.to, change: changeOf(slot, move, processor, fromVersion, stateTimeMs) });
    }
    for (const { from, to } of plan.hidden) this.moves.set(from, { to, change: undefined });
  }

  /** Undefined: it is left behind. @throws RepriseError STATE_INCOMPATIBLE naming the state and the key */
  row(stored: StoredRow): StoredRow | undefined {
    const { slot, key, subkey } = parseRowKey(stored.key);
    const move = this.moves.get(slot);
    if (move === undefined) return undefined;
    const target = rowKey(move.to, key, subkey);
    if (move.change === undefined) return { key: target, value: stored.value };
    const { value } = stored;
    try {
      const changed = move.change(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
      return changed === undefined ? undefined : { key: target, value: changed };
    } catch (cause) {
      const message = `${this.what}: a row of key ${JSON.stringify(key.toString("utf8"))} can't be migrated: ${(cause as Error).message}`;
      throw new RepriseError("STATE_INCOMPATIBLE", message, { cause, details: { key: key.toString("base64") } });
    }
  }
}

function changeOf(
  slot: CompiledSlot,
  move: SlotMove,
  processor: CompiledProcessor,
  fromVersion: number,
  stateTimeMs: number,
): Change | undefined {
  if (slot.kind !== "value" && slot.kind !== "map" && slot.kind !== "list") return undefined;
  const value = valueChange(slot.schema, move, processor, fromVersion);
  const { from, to } = move.ttlMs;
  if (slot.kind === "list") {
    if (value === undefined) return undefined;
    return (bytes) => {
      const start = itemValueStart(bytes, from !== null);
      return start === undefined ? bytes : itemRowBytes(bytes, start, value(bytes.subarray(start)));
    };
  }
  if (value === undefined && (from === null) === (to === null)) return undefined;
  return (bytes) => {
    const writtenMs = from === null ? stateTimeMs : stampOf(bytes);
    if (from !== null && writtenMs + from <= stateTimeMs) return undefined;
    const old = from === null ? bytes : bytes.subarray(stampBytes);
    const changed = value === undefined ? old : value(old);
    return to === null ? changed : stampedBytes(writtenMs, changed);
  };
}

function valueChange(
  schema: SchemaRuntime<unknown>,
  { how, name, written }: SlotMove,
  processor: CompiledProcessor,
  fromVersion: number,
): ((bytes: Buffer) => Buffer) | undefined {
  if (how === "same" || written === undefined) return undefined;
  if (how === "evolve") return evolveBytes(written, schema);
  const migration = processor.definition.handlers?.migrate[fromVersion]?.[name] as MigrationDefinition;
  const old = schemaRuntime(migration.from as Schema<unknown>);
  return (bytes) => schema.encode(migration.change(old.decode(bytes, 0, bytes.length)));
}
