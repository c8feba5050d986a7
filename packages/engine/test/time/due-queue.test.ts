import { describe, expect, test } from "vitest";
import { joinId, splitId } from "../../src/time/due-id.ts";
import { DueQueue } from "../../src/time/due-queue.ts";
import { Random } from "../support/random.ts";

type Due = readonly [timeMs: number, slot: number, id: string];

const order = (a: Due, b: Due): number => a[0] - b[0] || a[1] - b[1] || (a[2] < b[2] ? -1 : a[2] > b[2] ? 1 : 0);

describe("due queue", () => {
  test.each(Array.from({ length: 40 }, (_, i) => i))("fires in order of time, slot and id, each once (seed %i)", (seed) => {
    const random = new Random(seed);
    const queue = new DueQueue();
    let waiting: Due[] = [];
    let now = 0;
    const add = (from: number): void => {
      const due: Due = [from + random.below(20), random.below(3), `id${random.below(4)}`];
      queue.add(...due);
      if (!waiting.some((w) => order(w, due) === 0)) waiting.push(due);
    };
    for (let round = 0; round < 60; round++) {
      for (let n = random.below(8); n > 0; n--) add(now);
      expect(queue.next).toBe(Math.min(Number.POSITIVE_INFINITY, ...waiting.map(([t]) => t)));
      now += random.below(6);
      const fired: Due[] = [];
      queue.fireUntil(now, (...due) => {
        fired.push(due);
        waiting = waiting.filter((w) => order(w, due) !== 0);
        // A handler may ask for more, strictly later than what fires now.
        if (random.chance(0.3)) add(due[0] + 1);
      });
      expect(waiting.every(([t]) => t > now)).toBe(true);
      expect(fired).toEqual([...fired].sort(order));
    }
  });

  test("what is asked for again while it is due at the same time fires after all others of that time", () => {
    const run = (adds: number): string[] => {
      const queue = new DueQueue();
      // A timer that was moved away and back has two entries, one that was restored from its row has one.
      for (let i = 0; i < adds; i++) queue.add(5, 0, "a");
      queue.add(5, 0, "b");
      const fired: string[] = [];
      queue.fireUntil(5, (dueMs, slot, id) => {
        fired.push(id);
        if (id === "a" && fired.length < 3) queue.add(dueMs, slot, id);
      });
      return fired;
    };
    expect(run(1)).toEqual(["a", "b", "a"]);
    expect(run(3)).toEqual(["a", "b", "a"]);
  });

  test("its size is what waits", () => {
    const queue = new DueQueue();
    queue.add(5, 0, "a");
    queue.add(7, 1, "a");
    expect(queue.size).toBe(2);
    queue.fireUntil(5, () => undefined);
    expect(queue.size).toBe(1);
    queue.fireUntil(9, () => undefined);
    expect([queue.size, queue.next]).toEqual([0, Number.POSITIVE_INFINITY]);
  });
});

describe("a timer's id with its key", () => {
  const random = new Random(9);
  const part = (): string => Array.from({ length: random.below(5) }, () => random.pick(["\0", "\u0001", "\u00ff", "a", "b"])).join("");
  const pairs = Array.from({ length: 400 }, () => [part(), part()] as const);

  test("comes apart as it was joined, whatever bytes both have", () => {
    for (const [key, sub] of pairs) expect(splitId(joinId(key, sub))).toEqual({ key, sub });
  });

  test("is ordered by key, then by id", () => {
    const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
    const byPair = [...pairs].sort((a, b) => compare(a[0], b[0]) || compare(a[1], b[1])).map(([k, s]) => joinId(k, s));
    const byId = pairs.map(([k, s]) => joinId(k, s)).sort();
    expect(byId).toEqual(byPair);
  });
});

describe("times of any size", () => {
  const times = [
    0,
    -1,
    -0.5,
    0.5,
    5.25,
    5.75,
    5,
    -1e300,
    1e300,
    2 ** 53,
    -(2 ** 53),
    1.7e12,
    1.7e12 + 1,
    1.7e12 + 0.25,
    2 ** 32,
    2 ** 32 - 1,
  ];

  test.each(Array.from({ length: 30 }, (_, i) => i))("fire in their order, added before and while others fire (seed %i)", (seed) => {
    const random = new Random(seed);
    const queue = new DueQueue();
    const waiting: Due[] = [];
    const add = (timeMs: number): void => {
      const due: Due = [timeMs, random.below(3), `id${random.below(1000)}`];
      queue.add(...due);
      if (!waiting.some((w) => order(w, due) === 0)) waiting.push(due);
    };
    const anyTime = (): number => random.pick(times) + random.pick([0, 0, 1, 15, 16, 255, 4096, 1e6, 1e9]);
    for (let n = 0; n < 200; n++) add(anyTime());
    for (const until of [...times, Number.POSITIVE_INFINITY].sort((a, b) => a - b)) {
      queue.fireUntil(until, (...due) => {
        waiting.sort(order);
        expect(due).toEqual(waiting.shift());
        // Later than what fires now, also by less than the number of milliseconds can say.
        const later = due[0] + random.pick([0.125, 1, 300, 1e5]);
        if (later > due[0] && waiting.length < 400 && random.chance(0.4)) add(later);
      });
      expect(queue.next).toBe(Math.min(Number.POSITIVE_INFINITY, ...waiting.map(([t]) => t)));
    }
    expect([queue.size, waiting.length]).toEqual([0, 0]);
  });
});
