import { describe, expect, test } from "vitest";
import { OriginProgress } from "../../src/route/origin-progress.ts";
import { OriginStamp } from "../../src/route/origin-stamp.ts";

const never = Number.NEGATIVE_INFINITY;

interface Told {
  readonly index?: number;
  readonly timeMs: number;
  readonly idle?: boolean;
  readonly ends?: readonly number[];
}

function stampOf(partition: number, offset: number, { index = -1, timeMs, idle = false, ends }: Told): OriginStamp {
  return Object.assign(new OriginStamp(), { marker: index < 0, partition, offset, index, timeMs, idle, ends });
}

/** Takes it, unless it was there before; the time after. */
function take(progress: OriginProgress, partition: number, offset: number, told: Told): number | "old" {
  const stamp = stampOf(partition, offset, told);
  if (!progress.isNew(stamp)) return "old";
  const timeMs = progress.timeAfter(stamp);
  progress.take(stamp);
  return timeMs;
}

describe("the time of an internal partition", () => {
  test("is unknown until every origin was heard of, then that of the one that is furthest behind", () => {
    const progress = new OriginProgress(3);
    expect(take(progress, 0, 4, { index: 0, timeMs: 100 })).toBe(never);
    expect(take(progress, 1, 9, { index: 0, timeMs: 50 })).toBe(never);
    expect(take(progress, 2, 0, { timeMs: never })).toBe(never);
    expect(take(progress, 2, 1, { index: 0, timeMs: 70 })).toBe(50);
    expect(take(progress, 0, 5, { index: 0, timeMs: 200 })).toBe(50);
    expect(take(progress, 1, 10, { index: 0, timeMs: 90 })).toBe(70);
    expect(progress.pending).toBe(true);
  });

  test("goes on without one that has nothing more, until somebody has seen more of it", () => {
    const progress = new OriginProgress(2);
    take(progress, 0, 3, { timeMs: 30, idle: true });
    expect(take(progress, 1, 1, { index: 0, timeMs: 80 })).toBe(80);
    expect(take(progress, 1, 2, { index: 0, timeMs: 90, ends: [4, 3] })).toBe(30);
    // Its own word counts once it has come as far.
    expect(take(progress, 0, 4, { timeMs: 30, idle: true })).toBe(90);
    expect(take(progress, 0, 5, { index: 0, timeMs: 35 })).toBe(35);
  });

  test("is the largest one when nobody has more", () => {
    const progress = new OriginProgress(2);
    take(progress, 0, 3, { timeMs: 30, idle: true });
    expect(take(progress, 1, 0, { timeMs: never, idle: true })).toBe(30);
    expect(progress.pending).toBe(false);
    take(progress, 1, 1, { timeMs: 20, idle: true, ends: [7, 1] });
    expect(progress.pending).toBe(true);
  });

  test("knows what is there a second time: by offset, by index, by position", () => {
    const progress = new OriginProgress(1);
    expect(take(progress, 0, 5, { index: 0, timeMs: 10 })).toBe(10);
    expect(take(progress, 0, 5, { index: 2, timeMs: 10 })).toBe(10);
    expect(take(progress, 0, 5, { index: 2, timeMs: 99 })).toBe("old");
    expect(take(progress, 0, 5, { index: 1, timeMs: 99 })).toBe("old");
    expect(take(progress, 0, 4, { index: 7, timeMs: 99 })).toBe("old");
    expect(take(progress, 0, 5, { timeMs: 99, idle: true })).toBe("old");
    expect(take(progress, 0, 6, { timeMs: 10 })).toBe(10);
    expect(take(progress, 0, 5, { index: 9, timeMs: 99 })).toBe("old");
    // The same place again, and it has nothing more now.
    expect(take(progress, 0, 6, { timeMs: 10, idle: true })).toBe(10);
    expect(take(progress, 0, 6, { index: 0, timeMs: 12 })).toBe(12);
  });

  test("is the same after it was saved and loaded, and when it goes back", () => {
    const progress = new OriginProgress(3);
    take(progress, 0, 4, { index: 1, timeMs: 100, ends: [9, 0, 0] });
    take(progress, 1, 2, { timeMs: 60, idle: true });
    progress.keep();
    const saved = JSON.parse(JSON.stringify(progress.save())) as ReturnType<OriginProgress["save"]>;
    take(progress, 2, 0, { timeMs: never, idle: true });
    expect(take(progress, 0, 9, { timeMs: 120, idle: true })).toBe(120);
    progress.goBack();
    expect(progress.save()).toEqual(saved);
    const other = new OriginProgress(3);
    other.load(saved);
    expect(other.save()).toEqual(saved);
    expect(take(other, 2, 0, { timeMs: never, idle: true })).toBe(100);
    // Idle where more was seen is not idle.
    expect(take(other, 0, 8, { timeMs: 110, idle: true })).toBe(110);
    expect(other.pending).toBe(true);
  });
});
