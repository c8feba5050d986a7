import { partitionForKey } from "@reprise/engine";
import type { TestRecord } from "./lab.ts";
import type { ReadRecord } from "./read-topic.ts";

export interface Reading {
  readonly sensor: string;
  readonly at: number;
  readonly value: number;
}

const minuteMs = 60_000;
const graceMs = 2 * minuteMs;
const quietMs = 5 * minuteMs;

/** Out of order by up to three and a half minutes, so that windows are corrected and some readings come too late; sensors fall silent in turns. */
export function readings(count: number, from = 0): Reading[] {
  return Array.from({ length: count }, (_, i) => {
    const seq = from + i;
    const noise = Math.imul(seq + 1, 0x9e3779b1) >>> 0;
    const awake = Math.floor(seq / 300) % 4;
    const late = noise % 7 === 0 ? (noise >>> 4) % 210_000 : (noise >>> 4) % 20_000;
    return {
      sensor: `sensor-${awake * 8 + ((noise >>> 8) % 12)}`,
      at: Date.UTC(2024, 0, 1) + seq * 1_500 - late,
      value: (noise >>> 12) % 100,
    };
  });
}

export const readingRecords = (all: readonly Reading[]): TestRecord[] =>
  all.map(({ sensor, at, value }) => ({ key: sensor, value: { at, value }, timestampMs: at }));

interface Minute {
  readonly sensor: string;
  readonly at: number;
  count: number;
  sum: number;
  emitted: { count: number; sum: number } | undefined;
  revision: number;
}

/** One partition, worked out from what the documentation says of windows and timers, with a search through everything that is open instead of queues. */
class PartitionModel {
  readonly outputs: string[] = [];
  #streamTime = Number.NEGATIVE_INFINITY;
  #minutes: Minute[] = [];
  readonly #quiet = new Map<string, number>();
  readonly #seen = new Map<string, number>();

  add({ sensor, at, value }: Reading): void {
    if (at > this.#streamTime) {
      this.#streamTime = at;
      this.#fire();
    }
    this.#seen.set(sensor, (this.#seen.get(sensor) ?? 0) + 1);
    const start = at - (at % minuteMs);
    if (start + minuteMs + graceMs > this.#streamTime) {
      let minute = this.#minutes.find((one) => one.sensor === sensor && one.at === start);
      if (minute === undefined) {
        minute = { sensor, at: start, count: 0, sum: 0, emitted: undefined, revision: 0 };
        this.#minutes.push(minute);
      }
      minute.count++;
      minute.sum += value;
    }
    this.#quiet.set(sensor, at + quietMs);
    this.#fire();
  }

  /** Everything that is due, by (time, name, sensor). */
  #fire(): void {
    const now = this.#streamTime;
    const due: { time: number; rank: number; sensor: string; act: () => void }[] = [];
    for (const minute of this.#minutes) {
      const end = minute.at + minuteMs;
      if (end <= now && minute.emitted?.count !== minute.count)
        due.push({ time: end, rank: 0, sensor: minute.sensor, act: () => this.#emit(minute) });
    }
    for (const [sensor, time] of this.#quiet) if (time <= now) due.push({ time, rank: 1, sensor, act: () => this.#goQuiet(sensor, time) });
    due.sort((a, b) => a.time - b.time || a.rank - b.rank || (a.sensor < b.sensor ? -1 : 1));
    for (const { act } of due) act();
    this.#minutes = this.#minutes.filter(({ at }) => at + minuteMs + graceMs > now);
  }

  #emit(minute: Minute): void {
    const { sensor, at, count, sum, emitted } = minute;
    minute.revision++;
    minute.emitted = { count, sum };
    const final = at + minuteMs + graceMs <= this.#streamTime;
    this.#out(sensor, { what: "minute", at, count, sum, revision: minute.revision, before: emitted?.sum ?? 0, final });
  }

  #goQuiet(sensor: string, due: number): void {
    this.#quiet.delete(sensor);
    this.#out(sensor, { what: "quiet", at: due, count: this.#seen.get(sensor) ?? 0, sum: 0, revision: 0, before: 0, final: true });
  }

  #out(sensor: string, value: object): void {
    this.outputs.push(`${sensor} ${JSON.stringify(value)} ${this.#streamTime}`);
  }
}

/** What the processor `readings` must have written, per partition, in order. */
export function expectedEvents(all: readonly Reading[], partitions = 4): string[][] {
  const models = Array.from({ length: partitions }, () => new PartitionModel());
  for (const reading of all) models[partitionForKey(Buffer.from(reading.sensor), partitions)]?.add(reading);
  return models.map(({ outputs }) => outputs);
}

export const eventsAsText = (outputs: readonly (readonly ReadRecord[])[]): string[][] =>
  outputs.map((records) => records.map(({ key, value, timestampMs }) => `${key} ${value} ${timestampMs}`));
