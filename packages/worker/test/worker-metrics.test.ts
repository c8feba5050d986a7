import type { LateCount, Session } from "@reprise/engine";
import { createMetrics } from "@reprise/metrics";
import { RepriseError } from "@reprise/schema";
import { pino } from "pino";
import { beforeEach, describe, expect, test } from "vitest";
import { WorkerMetrics } from "../src/worker-metrics.ts";

interface FakeTask {
  readonly partition: number;
  publishing?: boolean;
  opening?: boolean;
  failure?: unknown;
  position?: number;
  bound?: number;
  end?: number;
  late?: LateCount[];
}

/** A session as far as the metrics look at it. */
function sessionOf(...fakes: readonly FakeTask[]): Session {
  const tasks = new Map(
    fakes
      .filter(({ opening }) => opening !== true)
      .map(({ partition, publishing = false, failure, position = 0, bound = Number.POSITIVE_INFINITY, late = [] }) => [
        partition,
        {
          store: { approximateSizeBytes: () => 7 },
          task: {
            partition,
            publishing,
            failure,
            streamTimeMs: 5_000,
            lateMerged: 0,
            faults: [],
            late,
            heldRecords: 0,
            counters: {
              records: position,
              ...{ lateDropped: 0, lateDeadLettered: 0, lateHandled: 0, skipped: 0, deadLetters: 0 },
              ...{ lateRecords: 0, releasedEarly: 0, watermarkIgnored: 0, itemsUnknown: 0 },
            },
            state: { hits: 0, misses: 0 },
            position: { in: position },
            meta: { position: { in: position } },
            cursors: [{ input: { topic: "in" }, bound }],
          },
        },
      ]),
  );
  const end = (partition: number): number => fakes.find((f) => f.partition === partition)?.end ?? 0;
  return {
    tasks,
    opening: fakes.filter(({ opening }) => opening === true).map(({ partition }) => partition),
    endOf: (_topic: string, partition: number) => ({ lastStableOffset: end(partition), highWatermark: end(partition), logStartOffset: 0 }),
  } as unknown as Session;
}

describe("a worker's metrics", () => {
  const metrics = { current: createMetrics({ processMetrics: false }) };
  let worker: WorkerMetrics;

  beforeEach(() => {
    metrics.current = createMetrics({ processMetrics: false });
    worker = new WorkerMetrics(metrics.current, pino({ level: "silent" }));
  });

  async function values(name: string): Promise<{ [labels: string]: number }> {
    const lines = (await metrics.current.render()).split("\n").filter((line) => line.startsWith(`${name}{`));
    return Object.fromEntries(
      lines.map((line) => [line.slice(name.length, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))]),
    );
  }

  test("count every task in one state", async () => {
    const failed = { partition: 2, publishing: true, failure: new Error("x") };
    worker.observer.taskFailed(2, failed.failure);
    // Of those that open, one has met an error and is tried again, one can't be opened at all.
    worker.observer.openingFailed(4, new RepriseError("CHECKPOINT_FAILED", "the store is away"), false);
    worker.observer.openingFailed(5, new RepriseError("DELTAS_LOST", "none is left"), true);
    worker.sample(
      sessionOf(
        { partition: 0, publishing: true },
        { partition: 1 },
        failed,
        { partition: 3, opening: true },
        { partition: 4, opening: true },
      ),
    );
    expect(await values("reprise_tasks")).toEqual({
      '{state="publishing"}': 1,
      '{state="following"}': 1,
      '{state="opening"}': 1,
      '{state="failed"}': 3,
    });
    expect([...worker.failures.values()].map(({ partition, code }) => [partition, code])).toEqual([
      [2, "UNKNOWN"],
      [4, "CHECKPOINT_FAILED"],
      [5, "DELTAS_LOST"],
    ]);
    worker.observer.taskOpened(4, "checkpoint 3", 1);
    worker.observer.taskClosed(5);
    expect([...worker.failures.keys()]).toEqual([2]);
  });

  test("say that a publisher is not behind itself, and how far a follower is behind it", async () => {
    worker.sample(sessionOf({ partition: 0, publishing: true, position: 10, end: 50 }, { partition: 1, position: 10, bound: 30, end: 50 }));
    expect(await values("reprise_publisher_lag_records")).toEqual({
      '{topic="in",partition="0"}': 0,
      '{topic="in",partition="1"}': 20,
    });
    expect((await values("reprise_publisher_lag_seconds"))['{topic="in",partition="0"}']).toBe(0);
    expect(await values("reprise_lag_records")).toEqual({ '{topic="in",partition="0"}': 40, '{topic="in",partition="1"}': 40 });
  });

  test("count what was late by window, tell its range of times, and log it once and then no oftener than each minute", async () => {
    const lines: { msg: string; window: string; records: number; from: string; to: string }[] = [];
    worker = new WorkerMetrics(metrics.current, pino({}, { write: (line: string) => void lines.push(JSON.parse(line) as never) }));
    const late: LateCount[] = [
      { window: "hour", how: "drop", records: 2, fromMs: 60_000, toMs: 61_000 },
      { window: "day", how: "dead-letter", records: 1, fromMs: 60_000, toMs: 60_000 },
    ];
    worker.sample(sessionOf({ partition: 3, late }));
    late[0] = { window: "hour", how: "drop", records: 5, fromMs: 1_000, toMs: 70_000 };
    worker.sample(sessionOf({ partition: 3, late }));
    worker.sample(sessionOf({ partition: 3, late }));
    expect(await values("reprise_late_records_total")).toEqual({
      '{partition="3",window="hour",how="drop"}': 5,
      '{partition="3",window="day",how="dead-letter"}': 1,
    });
    expect(await values("reprise_late_oldest_seconds")).toEqual({
      '{partition="3",window="hour"}': 1,
      '{partition="3",window="day"}': 60,
    });
    expect((await values("reprise_late_newest_seconds"))['{partition="3",window="hour"}']).toBe(70);
    expect(lines.map(({ window, records, from, to }) => ({ window, records, from, to }))).toEqual([
      { window: "hour", records: 2, from: "1970-01-01T00:01:00.000Z", to: "1970-01-01T00:01:01.000Z" },
      { window: "day", records: 1, from: "1970-01-01T00:01:00.000Z", to: "1970-01-01T00:01:00.000Z" },
    ]);
    worker.observer.taskClosed(3);
    expect(await values("reprise_late_newest_seconds")).toEqual({});
    // Opened anew it counts from 0, and the counter goes on.
    worker.observer.taskOpened(3, "local store", 1);
    worker.sample(sessionOf({ partition: 3, late: [{ window: "hour", how: "drop", records: 1, fromMs: 5, toMs: 5 }] }));
    expect((await values("reprise_late_records_total"))['{partition="3",window="hour",how="drop"}']).toBe(6);
  });

  test("say nothing more of a task that went elsewhere, and count on when it comes back", async () => {
    worker.sample(sessionOf({ partition: 0, position: 10, end: 50 }, { partition: 1, position: 3, end: 4 }));
    worker.observer.taskFailed(0, new Error("x"));
    worker.observer.taskClosed(0);
    expect(worker.failures.size).toBe(0);
    for (const name of ["reprise_lag_records", "reprise_position", "reprise_end_offset"])
      expect(Object.keys(await values(name))).toEqual(['{topic="in",partition="1"}']);
    expect(Object.keys(await values("reprise_state_bytes"))).toEqual(['{partition="1"}']);
    worker.observer.taskOpened(0, "local store", 1);
    worker.sample(sessionOf({ partition: 0, position: 2, end: 50 }));
    expect((await values("reprise_records_total"))['{topic="in",partition="0"}']).toBe(12);
  });
});
