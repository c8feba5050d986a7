import { createMetrics } from "@reprise/metrics";
import { expect, test } from "vitest";
import { RouteMetrics } from "../src/route-metrics.ts";

test("a route's lag is told under its source, as long as the worker has the partition", async () => {
  const metrics = createMetrics({ processMetrics: false });
  const route = new RouteMetrics(metrics, "clicks");
  const at = (position: number, end: number): Parameters<RouteMetrics["sample"]>[0] => ({
    tasks: new Map([[2, { position } as never]]),
    endOf: () => ({ lastStableOffset: end, highWatermark: end + 5, logStartOffset: 0 }),
  });
  const lines = async (): Promise<string[]> => (await metrics.render()).split("\n").filter((line) => line.includes('topic="clicks"'));
  route.sample(at(0, 10), 1_000);
  route.sample(at(10, 30), 3_000);
  route.sample(at(10, 30), 5_000);
  expect((await lines()).sort()).toEqual([
    'reprise_end_offset{topic="clicks",partition="2"} 30',
    'reprise_lag_records{topic="clicks",partition="2"} 20',
    'reprise_lag_seconds{topic="clicks",partition="2"} 4',
    'reprise_position{topic="clicks",partition="2"} 10',
  ]);
  route.sample(undefined, 6_000);
  expect(await lines()).toEqual([]);
});
