import { testProcessor } from "reprise/testing";
import { describe, expect, test } from "vitest";
import { Random } from "../../../test/support/random.ts";
import refrigerators from "../src/processor.ts";

const secondMs = 1_000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
const noon = Date.UTC(2026, 0, 5, 12);
const at = (minute: number, second = 0): number => noon + minute * minuteMs + second * secondMs;

interface Reading {
  readonly device: string;
  readonly at: number;
  readonly celsius: number;
}

const start = () => testProcessor(refrigerators);
/** In this order: not that of their times. */
function send(t: ReturnType<typeof start>, readings: Iterable<Reading>): void {
  for (const { device, ...reading } of readings) t.when.readings(device, reading, reading.at);
}

describe("a warm refrigerator", () => {
  test("is told of after five minutes, with how warm it was by then", () => {
    const t = start();
    send(t, [
      { device: "f-1", at: at(0), celsius: -3 },
      { device: "f-1", at: at(4, 50), celsius: -2 },
      { device: "f-1", at: at(5, 9), celsius: -1 },
    ]);
    expect(t.then.alerts()).toEqual([]);
    send(t, [{ device: "f-2", at: at(5, 10), celsius: -20 }]); // the watermark is 5:00
    expect(t.then.alerts()).toEqual([{ key: "f-1", value: { kind: "warm", celsius: -2, since: at(0) }, timestamp: at(5) }]);
    t.checkReplay();
  });

  test("stays one when a cool reading of minute 6 comes before the alarm of minute 5 was raised", () => {
    const t = start();
    send(t, [
      { device: "f-1", at: at(0), celsius: -3 },
      { device: "f-1", at: at(5, 6), celsius: -18 },
      { device: "f-1", at: at(30), celsius: -18 },
    ]);
    expect(t.then.alerts()).toMatchObject([{ value: { kind: "warm", since: at(0) }, timestamp: at(5) }]);
    t.checkReplay();
  });

  test("is none when a cool reading in between came late, but in time", () => {
    const t = start();
    send(t, [
      { device: "f-1", at: at(0), celsius: -3 },
      { device: "f-1", at: at(4, 58), celsius: -3 },
      { device: "f-1", at: at(4, 55), celsius: -10 }, // not above −10 °C
    ]);
    t.when.timePasses(at(9, 58) + 9_999);
    expect(t.then.alerts()).toEqual([]);
    t.when.timePasses(at(9, 58) + 10_000);
    expect(t.then.alerts()).toMatchObject([{ value: { since: at(4, 58) }, timestamp: at(9, 58) }]);
    t.checkReplay();
  });

  test("is told of although an older cool reading comes hours late, as is none because of an older warm one", () => {
    const t = start();
    send(t, [
      { device: "warm", at: at(0), celsius: -3 },
      { device: "cool", at: at(0), celsius: -18 },
      { device: "clock", at: at(1), celsius: -18 },
      { device: "warm", at: at(-120), celsius: -18 },
      { device: "cool", at: at(-120), celsius: -3 },
    ]);
    t.when.timePasses(at(60));
    expect(t.then.alerts()).toMatchObject([{ key: "warm", value: { since: at(0) }, timestamp: at(5) }]);
    t.checkReplay();
  });
});

function byDevice(readings: readonly Reading[]): Map<string, Reading[]> {
  const found = new Map<string, Reading[]>();
  for (const reading of readings) found.set(reading.device, [...(found.get(reading.device) ?? []), reading]);
  return found;
}

/** What the alarm is by its definition: per device, stretches of warm readings in the order of their times. */
function alarmsOf(readings: readonly Reading[]): { key: string; value: { celsius: number; since: number } }[] {
  const alarms: { key: string; value: { kind: "warm"; celsius: number; since: number }; timestamp: number }[] = [];
  for (const [key, own] of byDevice(readings)) {
    const inOrder = own.toSorted((a, b) => a.at - b.at);
    for (let first = 0; first < inOrder.length; ) {
      let next = first;
      while (next < inOrder.length && (inOrder[next] as Reading).celsius > -10) next++;
      const since = inOrder[first]?.at as number;
      const until = inOrder[next]?.at ?? Number.POSITIVE_INFINITY;
      const before = inOrder.slice(first, next).filter((reading) => reading.at < since + 5 * minuteMs);
      if (next > first && until - since >= 5 * minuteMs)
        alarms.push({ key, value: { kind: "warm", celsius: before.at(-1)?.celsius as number, since }, timestamp: since + 5 * minuteMs });
      first = next + 1;
    }
  }
  return alarms.sort((a, b) => a.timestamp - b.timestamp || (a.key < b.key ? -1 : 1));
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const deviationOf = (values: readonly number[]): number => {
  const mean = meanOf(values);
  return Math.sqrt(meanOf(values.map((value) => (value - mean) ** 2)));
};

test("10,000 devices: every alarm, every mean and every deviation is what the readings say", () => {
  const random = new Random(1);
  const readings: Reading[] = [];
  const devices = Array.from({ length: 10_000 }, (_, i) => ({ device: `f-${i}`, celsius: random.chance(0.5) ? -14 : -8 }));
  for (let minute = 0; minute < 12; minute += 6) {
    const round = devices.map((one) => {
      if (random.chance(0.2)) one.celsius = random.chance(0.5) ? -14 : -8;
      return { device: one.device, at: at(minute, random.below(360)), celsius: one.celsius + random.next() };
    });
    readings.push(...round);
  }
  // In the order in which they come: up to 10 s after their time.
  const arriving = readings.map((reading) => ({ reading, comes: reading.at + random.below(10_000) })).sort((a, b) => a.comes - b.comes);
  const t = start();
  send(
    t,
    arriving.map(({ reading }) => reading),
  );
  t.when.timePasses(noon + hourMs + 10 * secondMs);

  const alarms = t.then.alerts();
  expect(alarms.length).toBeGreaterThan(1_000);
  expect(alarms.toSorted((a, b) => a.timestamp - b.timestamp || (a.key < b.key ? -1 : 1))).toEqual(alarmsOf(readings));
  const weeks = t.then.weeks();
  expect(weeks.length).toBe(devices.length);
  const read = byDevice(readings);
  for (const { key, value } of weeks) {
    const celsius = (read.get(key) ?? []).map((reading) => reading.celsius);
    expect(value).toMatchObject({ until: noon + hourMs, readings: celsius.length });
    expect(value?.mean).toBeCloseTo(meanOf(celsius), 9);
    expect(value?.stddev).toBeCloseTo(deviationOf(celsius), 9);
  }
  t.checkReplay();
}, 120_000);

test("every hour says what the seven days before it were", () => {
  const random = new Random(2);
  const readings: Reading[] = [];
  for (let time = noon; time < noon + 9 * dayMs; time += random.below(40) * minuteMs + minuteMs)
    readings.push({ device: "f-1", at: time, celsius: -18 + random.next() * 4 });
  const t = start();
  const weeks = [];
  for (const reading of readings) {
    send(t, [reading]);
    weeks.push(...t.then.weeks());
  }
  t.when.timePasses(noon + 20 * dayMs);
  weeks.push(...t.then.weeks());
  let expected = 0;
  for (let until = noon + hourMs; until < noon + 17 * dayMs; until += hourMs) {
    const celsius = readings.filter((reading) => reading.at >= until - 7 * dayMs && reading.at < until).map((reading) => reading.celsius);
    if (celsius.length === 0) continue;
    const { value } = weeks[expected++] ?? {};
    expect(value).toMatchObject({ until, readings: celsius.length });
    expect(value?.mean).toBeCloseTo(meanOf(celsius), 9);
    expect(value?.stddev).toBeCloseTo(deviationOf(celsius), 9);
  }
  expect(weeks.length).toBe(expected);
  t.checkReplay();
});

test("a reading far from what is usual for the device is told of, once there is something usual", () => {
  const t = testProcessor(refrigerators, { params: { warmAbove: -10, usualFrom: 4 } });
  // Mean −18, standard deviation 1.
  send(
    t,
    [-30, -19, -17, -19].map((celsius, i) => ({ device: "f-1", at: at(i), celsius })),
  );
  t.when.timePasses(at(60));
  expect(t.then.alerts()).toEqual([]);
  const u = testProcessor(refrigerators, { params: { warmAbove: -10, usualFrom: 4 } });
  send(
    u,
    [-17, -19, -17, -19, -21, -15, -22.5].map((celsius, i) => ({ device: "f-1", at: at(i), celsius })),
  );
  u.when.timePasses(at(60));
  // −21 and −15 are exactly three deviations away or less; after them the deviation is √((4·1 + 2·9) / 6) = 1.915.
  expect(u.then.alerts()).toEqual([]);
  send(u, [{ device: "f-1", at: at(61), celsius: -26 }]);
  u.when.timePasses(at(62));
  expect(u.then.alerts()).toEqual([{ key: "f-1", value: { kind: "unusual", celsius: -26, since: at(61) }, timestamp: at(61) }]);
  u.checkReplay();
});
