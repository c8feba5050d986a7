import type { Session } from "@reprise/engine";
import { createMetrics } from "@reprise/metrics";
import { pino } from "pino";
import { beforeEach, describe, expect, test } from "vitest";
import { WorkerMetrics } from "../src/worker-metrics.ts";

interface FakeTask {
  readonly partition: number;
  publishing?: boolean;
  failure?: unknown;
  position?: number;
  bound?: number;
  end?: number;
}

/** A session as far as the metrics look at it. */
function sessionOf(...fakes: readonly FakeTask[]): Session {
  const tasks = new Map(
    fakes.map(({ partition, publishing = false, failure, position = 0, bound = Number.POSITIVE_INFINITY }) => [
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
    worker.sample(sessionOf({ partition: 0, publishing: true }, { partition: 1 }, failed));
    expect(await values("reprise_tasks")).toEqual({ '{state="publishing"}': 1, '{state="following"}': 1, '{state="failed"}': 1 });
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
