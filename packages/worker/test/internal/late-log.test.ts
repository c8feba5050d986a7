import type { LateCount } from "@reprise/engine";
import { createMetrics } from "@reprise/metrics";
import { pino } from "pino";
import { expect, test } from "vitest";
import { LateLog, lateRanges } from "../../src/internal/late-log.ts";

const minuteMs = 60_000;

test("a window whose records go on being late is told again after a minute, with all of its range; one of which nothing more is late is not", () => {
  const lines: { records: number; from: string; to: string }[] = [];
  const logger = pino({}, { write: (line: string) => void lines.push(JSON.parse(line) as never) });
  const log = new LateLog(createMetrics({ processMetrics: false }), logger);
  for (let i = 1; i <= 10; i++)
    log.sample(0, [{ window: "hour", how: "drop", records: Math.min(i, 8), fromMs: 0, toMs: i }], (i * minuteMs) / 4);
  expect(lines.map(({ records, to }) => ({ records, to }))).toEqual([
    { records: 1, to: "1970-01-01T00:00:00.001Z" },
    { records: 5, to: "1970-01-01T00:00:00.005Z" },
    { records: 8, to: "1970-01-01T00:00:00.009Z" },
  ]);
});

test("ranges of a worker's tasks are put together by window", () => {
  const count = (window: string, records: number, fromMs: number, toMs: number): LateCount => ({
    window,
    how: "drop",
    records,
    fromMs,
    toMs,
  });
  expect(
    lateRanges([
      { partition: 0, late: [count("hour", 2, 5, 9)] },
      { partition: 1, late: [] },
      { partition: 2, late: [count("day", 1, 4, 4), count("hour", 3, 7, 12)] },
    ]),
  ).toEqual([
    { window: "hour", how: "drop", records: 5, fromMs: 5, toMs: 12, partitions: [0, 2] },
    { window: "day", how: "drop", records: 1, fromMs: 4, toMs: 4, partitions: [2] },
  ]);
});
