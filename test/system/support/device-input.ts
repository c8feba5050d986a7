import { setTimeout as sleep } from "node:timers/promises";
import { Random } from "../../differential/random.ts";
import type { InputRecord, System } from "./system.ts";

const baseMs = Date.UTC(2024, 0, 1);
const disorderMs = 2_000;
const sites = 12;

/**
 * Readings of 64 devices every 20 ms, out of order by up to 2.9 s, so that some come late, with pauses, so that sessions end and devices fall silent; commands and
 * changes of both tables between them. The first rows of the tables are older than all readings.
 */
export function deviceHistory(readings: number, seed: number): InputRecord[] {
  const random = new Random(seed);
  const arriving: { readonly arrivesMs: number; readonly record: InputRecord }[] = [];
  const add = (topic: string, key: string, value: object, at: number, late = 0): void =>
    void arriving.push({ arrivesMs: at + late, record: { topic, key, value, timestampMs: at } });
  for (let site = 0; site < sites; site++) add("sites", `s${site}`, { name: `site ${site}` }, baseMs - 1);
  for (let device = 0; device < 64; device += 2) add("limits", `d${device}`, { max: 90 }, baseMs - 1);
  for (let i = 0; i < readings; i++) {
    const at = baseMs + i * 20;
    // A quarter of the devices rests, by turns of ten seconds.
    const device = ((Math.floor(i / 500) % 4) * 16 + random.below(48)) % 64;
    add("readings", `d${device}`, readingOf(random, at), at, random.below(disorderMs + 900));
    if (random.chance(0.002)) add("commands", `d${random.below(64)}`, { forget: random.chance(0.5) }, at);
    if (random.chance(0.005)) add("limits", `d${random.below(64)}`, { max: random.between(70, 99) }, at);
    if (random.chance(0.005)) add("sites", `s${random.below(sites)}`, { name: `site at ${i}` }, at);
  }
  arriving.sort((a, b) => a.arrivesMs - b.arrivesMs);
  return arriving.map(({ record }) => record);
}

const readingOf = (random: Random, at: number): object => ({ at, value: random.below(100), site: `s${random.below(sites + 2)}` });

export interface LiveDevices {
  /** The event time of the reading that was sent last, by device. */
  readonly lastMs: ReadonlyMap<string, number>;
  /** Resolves when everything sent is acknowledged. */
  stop(): Promise<void>;
}

/**
 * Eight devices that report now, with changes of the tables. Their times are 3 s ahead: a record waits that long for the other inputs, so that what is
 * merged live is what a replay merges, however slow this machine is just now.
 */
export function startLive(system: System, seed: number): LiveDevices {
  const random = new Random(seed);
  const lastMs = new Map<string, number>();
  let stopped = false;
  const sending = (async () => {
    for (;;) {
      const now = Date.now() + 3_000;
      const records: InputRecord[] = [];
      for (let i = 0; i < 4; i++) {
        const key = `live${random.below(8)}`;
        const at = now - random.below(1_500);
        records.push({ topic: "readings", key, value: readingOf(random, at), timestampMs: at });
        lastMs.set(key, at);
      }
      const key = `live${random.below(8)}`;
      if (random.chance(0.1)) records.push({ topic: "commands", key, value: { forget: true }, timestampMs: now });
      if (random.chance(0.2)) records.push({ topic: "limits", key, value: { max: random.between(70, 99) }, timestampMs: now });
      if (random.chance(0.2))
        records.push({ topic: "sites", key: `s${random.below(sites)}`, value: { name: `site at ${now}` }, timestampMs: now });
      await system.send(records);
      if (stopped) return;
      await sleep(50);
    }
  })();
  return {
    lastMs,
    stop: () => {
      stopped = true;
      return sending;
    },
  };
}
