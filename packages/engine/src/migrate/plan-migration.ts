import { isDeepStrictEqual } from "node:util";
import { RepriseError, type SchemaDescription, schemaIncompatibility } from "@reprise/schema";
import type { Manifest, PartManifest } from "@reprise/processor";
import { clockTopicOf } from "../control/names.ts";
import { itemSlotsOf, type NamedSlot, slotOrder } from "../definition/slot-order.ts";

/** What becomes of the rows of one slot. */
export interface SlotMove extends NamedSlot {
  readonly from: number;
  readonly to: number;
  /** `same`: bytes as they are, but for a time to live. `evolve`: read with the old schema, written with the new. `migrate`: by the version's own function. */
  readonly how: "same" | "evolve" | "migrate";
  /** Of values, entries and items: what they were written with. */
  readonly written: SchemaDescription | undefined;
  /** Of states: their times to live, ms; null: for ever. */
  readonly ttlMs: { readonly from: number | null; readonly to: number | null };
}

/** How the state of one version becomes that of another. */
export interface StateMigration {
  readonly moves: readonly SlotMove[];
  /** The slots of windows' items that are kept, and then that of held records, which stands behind all others. */
  readonly hidden: readonly { readonly from: number; readonly to: number }[];
  /** What is left behind or begins empty, for people. */
  readonly notes: readonly string[];
}

/**
 * Plans a start of `to` from a checkpoint of `from`, an older version of the processor, from their manifests alone.
 * @throws RepriseError STATE_INCOMPATIBLE naming every state, field, window, timer, table and input that stands in the way
 */
export function planMigration(from: Manifest, to: Manifest): StateMigration {
  const plan = new Plan(from, to);
  const faults = [...inputFaults(from, to), ...plan.faults];
  if (faults.length === 0) return plan;
  throw new RepriseError(
    "STATE_INCOMPATIBLE",
    `${to.name} v${to.version} can't begin with the state of v${from.version}: ${faults.join("; ")}`,
    { details: { processor: to.name, from: from.version, to: to.version, faults: faults.join("; ") } },
  );
}

class Plan implements StateMigration {
  readonly moves: SlotMove[] = [];
  readonly notes: string[] = [];
  readonly faults: string[] = [];
  readonly hidden: StateMigration["hidden"];
  private readonly from: Manifest;
  private readonly to: Manifest;

  constructor(from: Manifest, to: Manifest) {
    this.from = from;
    this.to = to;
    const [before, after] = [slotsOf(from), slotsOf(to)];
    const resets = to.migrations[from.version] ?? {};
    after.forEach((slot, index) => {
      const name = nameOf(slot);
      const old = before.findIndex((one) => one.name === slot.name && one.group === slot.group);
      if (old < 0) this.notes.push(`${name} begins empty`);
      else if (resets[slot.name] === "reset" && slot.group !== "timer" && slot.group !== "table") this.notes.push(`${name} is reset`);
      else this.move(slot, old, index);
    });
    for (const slot of before) {
      if (!after.some((one) => one.name === slot.name && one.group === slot.group)) this.notes.push(`${nameOf(slot)} is left behind`);
    }
    this.hidden = this.moveHidden(before, after);
  }

  private moveHidden(before: readonly NamedSlot[], after: readonly NamedSlot[]): StateMigration["hidden"] {
    const items = (slots: readonly NamedSlot[], { windows }: Manifest): ReadonlyMap<string, number> =>
      itemSlotsOf(slots, (window) => (windows[window]?.["items"] ?? null) !== null);
    const [old, now] = [items(before, this.from), items(after, this.to)];
    const hidden = this.moves.flatMap(({ group, name }) => {
      const [from, to] = [old.get(name), now.get(name)];
      return group === "window" && from !== undefined && to !== undefined ? [{ from, to }] : [];
    });
    if (this.from.order === "event-time") hidden.push({ from: before.length + old.size, to: after.length + now.size });
    return hidden;
  }

  private move(slot: NamedSlot, from: number, to: number): void {
    const add = (how: SlotMove["how"], written?: SchemaDescription, ttlMs: SlotMove["ttlMs"] = { from: null, to: null }): void => {
      this.moves.push({ ...slot, from, to, how, written, ttlMs });
    };
    if (slot.group === "state") this.moveState(slot.name, add);
    else {
      const fault = faultOf(slot, this.from, this.to);
      if (fault === undefined) add("same");
      else this.faults.push(`${nameOf(slot)}: ${fault}`);
    }
  }

  private moveState(name: string, add: (how: SlotMove["how"], written: SchemaDescription, ttlMs: SlotMove["ttlMs"]) => void): void {
    const [old, now] = [this.from.state[name] as PartManifest, this.to.state[name] as PartManifest];
    const fault = (reason: string): unknown => this.faults.push(`state.${name}: ${reason}`);
    if (old["type"] !== now["type"]) return void fault(`was a ${String(old["type"])}, is a ${String(now["type"])}`);
    if (now["type"] === "map" && (old["key"] as SchemaDescription).fingerprint !== (now["key"] as SchemaDescription).fingerprint)
      return void fault("its keys have another schema");
    const [written, wanted] = [storedIn(old), storedIn(now)];
    if (now["type"] === "list" && (old["ttlMs"] === null) !== (now["ttlMs"] === null))
      return void fault("a list can't get or lose a time to live");
    const ttlMs = { from: old["ttlMs"] as number | null, to: now["ttlMs"] as number | null };
    const migration = this.to.migrations[this.from.version]?.[name];
    if (migration !== undefined && migration !== "reset") {
      if (migration.fingerprint !== written.fingerprint)
        return void fault(`migrate() is from another schema than v${this.from.version} declares`);
      return add("migrate", written, ttlMs);
    }
    const found = schemaIncompatibility(written, wanted);
    if (found !== undefined) return void fault(`${found.path} ${found.reason}`);
    return add(written.fingerprint === wanted.fingerprint ? "same" : "evolve", written, ttlMs);
  }
}

const storedIn = (state: PartManifest): SchemaDescription => (state["schema"] ?? state["value"] ?? state["item"]) as SchemaDescription;

const nameOf = ({ group, name }: NamedSlot): string => `${group === "state" ? "state" : `${group}s`}.${name}`;

const slotsOf = ({ state, tables, timers, windows }: Manifest): NamedSlot[] =>
  slotOrder({
    state: Object.keys(state),
    tables: tables.map(({ alias }) => alias),
    timers: Object.keys(timers),
    windows: Object.keys(windows),
  });

/** Rows of timers, windows and tables are taken as they are, or not at all. */
function faultOf({ group, name }: NamedSlot, from: Manifest, to: Manifest): string | undefined {
  if (group === "timer")
    return isDeepStrictEqual(plain(from.timers[name]), plain(to.timers[name])) ? undefined : "its id has another schema";
  if (group === "table") {
    const parts = ({ tables }: Manifest): unknown[] => {
      const found = tables.find(({ alias }) => alias === name);
      return [found?.topic, found?.key.schema.fingerprint, found?.value?.fingerprint, plain(found?.broadcast)];
    };
    return isDeepStrictEqual(parts(from), parts(to)) ? undefined : "its topic, schemas or kind changed";
  }
  const [old, now] = [from.windows[name], to.windows[name]] as [PartManifest, PartManifest];
  const changed = Object.keys({ ...old, ...now }).filter(
    (part) => !neverStored.has(part) && !isDeepStrictEqual(plain(old[part]), plain(now[part])),
  );
  return changed.length === 0 ? undefined : `${changed.join(", ")} changed; "reset" it`;
}

/** What of a window does not show in its rows. */
const neverStored: ReadonlySet<string> = new Set(["view", "late"]);

/** As JSON has it: one of the manifests comes from the control topic. */
const plain = (value: unknown): unknown => (value === undefined ? null : (JSON.parse(JSON.stringify(value)) as unknown));

function inputFaults(from: Manifest, to: Manifest): string[] {
  const faults: string[] = [];
  if (from.key.schema.fingerprint !== to.key.schema.fingerprint) faults.push(`key ${to.key.name}: it has another schema`);
  const read = new Set(topicsOf(from));
  for (const topic of topicsOf(to))
    if (!read.has(topic)) faults.push(`input ${topic}: v${from.version} does not read it, so that its history would be missing`);
  if (from.order !== "event-time") return faults;
  const names = ({ inputs }: Manifest): string => inputs.map(({ topic }) => topic).join(", ");
  if (to.order !== "event-time") faults.push("order: records that v" + from.version + ' holds back would be lost with order "log"');
  else if (names(from) !== names(to)) faults.push(`inputs: held records belong to ${names(from)}, in this order`);
  return faults;
}

const topicsOf = ({ name, inputs, tables, clockMs }: Manifest): string[] => [
  ...inputs.map(({ topic }) => topic),
  ...tables.map(({ topic }) => topic),
  ...(clockMs === null || clockMs === undefined ? [] : [clockTopicOf(name, clockMs)]),
];
