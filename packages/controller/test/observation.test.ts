import { describe, expect, it } from "vitest";
import { EndSamples } from "@reprise/engine";
import { FailureWatch, recoveryMs } from "../src/observe/failure-watch.ts";
import { followedBy, partitionLags, routeLags, totalLag } from "../src/observe/observation.ts";
import { ProgressRate } from "../src/observe/progress-rate.ts";
import { Steadiness } from "../src/observe/steadiness.ts";
import type { DeploymentEntry, WorkerAnnouncement } from "@reprise/engine";
import { became, commitAt, created, cut, intended, specOf, stateAfter } from "./support/control-fixture.ts";

describe("the lag of a deployment", () => {
  const samplesOf = (...pairs: readonly (readonly [number, number])[]): EndSamples => {
    const samples = new EndSamples();
    for (const [atMs, end] of pairs) samples.add(atMs, end);
    return samples;
  };

  it("is told to the log and to the publisher, per partition", () => {
    const spec = specOf("p", 2);
    const tasks = [{ partition: 0, record: commitAt({ in: 40 }) }, { partition: 1 }];
    const log = samplesOf([1_000, 40], [9_000, 100]);
    const lags = partitionLags(
      spec,
      tasks,
      10_000,
      () => ({ end: { logStart: 10, lastStable: 100 }, samples: log }),
      () => samplesOf([8_000, 40]),
    );
    expect(lags).toMatchObject([
      { partition: 0, position: 40, end: 100, lag: { records: 60, ms: 9_000 }, publisherLag: { records: 0, ms: 0 } },
      // Nothing committed: it is where the log starts.
      { partition: 1, position: 10, lag: { records: 90, ms: null }, publisherLag: { records: 30, ms: null } },
    ]);
  });

  it("counts what was not routed yet to a rekeyed input, per partition of its source", () => {
    const log = samplesOf([1_000, 40], [9_000, 100]);
    const routed = [0, 1, 2].map((partition) => ({ topic: "x", partition, position: [100, 40, 0][partition] as number }));
    const end = { end: { logStart: 10, lastStable: 100 }, samples: log };
    expect(routeLags(routed, 10_000, (_, partition) => (partition === 2 ? undefined : end))).toEqual([
      { topic: "x", partition: 0, position: 100, end: 100, lag: { records: 0, ms: 0 } },
      { topic: "x", partition: 1, position: 40, end: 100, lag: { records: 60, ms: 9_000 } },
    ]);
  });

  it("is in all the sum of records and the longest time, unknown as soon as one is", () => {
    expect(
      totalLag([
        { records: 1, ms: 10 },
        { records: 2, ms: 30 },
      ]),
    ).toEqual({ records: 3, ms: 30 });
    expect(
      totalLag([
        { records: 1, ms: null },
        { records: 2, ms: 30 },
      ]),
    ).toEqual({ records: 3, ms: null });
  });

  it("is measured against whoever's interval is open", () => {
    const one = specOf("p", 1);
    const two = specOf("p", 2);
    const before = stateAfter(created(one, true), created(two, false));
    expect(followedBy(before, two.id)).toBe(one.id);
    expect(followedBy(before, one.id)).toBeUndefined();
    const after = stateAfter(created(one, true), created(two, false), intended(one.id, two.id), cut(one.id, two.id, { in: [1, 1] }));
    expect(followedBy(after, one.id)).toBe(two.id);
  });
});

describe("a rate", () => {
  it("is the progress over the last seconds", () => {
    const rate = new ProgressRate(10_000);
    expect(rate.recordsPerSecond).toBe(0);
    for (let second = 0; second <= 60; second++) rate.add(second * 1_000, second < 50 ? second * 100 : 5_000 + (second - 50) * 1_000);
    expect(rate.recordsPerSecond).toBe(1_000);
  });

  it("starts anew when the position fell", () => {
    const rate = new ProgressRate();
    rate.add(0, 1_000);
    rate.add(1_000, 0);
    rate.add(2_000, 10);
    expect(rate.recordsPerSecond).toBe(10);
  });
});

describe("the stability period", () => {
  it("begins anew with every sample in which it does not hold", () => {
    const steady = new Steadiness();
    steady.add(0, true);
    steady.add(1_000, true);
    expect(steady.heldMs(1_000)).toBe(1_000);
    steady.add(2_000, false);
    expect(steady.heldMs(2_000)).toBe(0);
    steady.add(3_000, true);
    expect(steady.heldMs(3_500)).toBe(500);
  });

  it("begins anew after a time in which nobody looked", () => {
    const steady = new Steadiness(5_000);
    steady.add(0, true);
    steady.add(6_000, true);
    expect(steady.heldMs(6_000)).toBe(0);
  });
});

describe("a failure", () => {
  const spec = specOf("p", 1);
  const entry = stateAfter(created(spec, true), became(spec.id, "Serving")).deployments.get(spec.id) as DeploymentEntry;
  const said = (tasks: readonly number[], failures: WorkerAnnouncement["failures"] = []): WorkerAnnouncement[] => [
    { format: 1, kind: "worker", deployment: spec.id, slot: 0, url: "", pid: 1, tasks, atMs: 0, failures },
  ];
  const failed = said([1], [{ partition: 0, code: "HANDLER_FAILED", message: "division by zero at said-0 offset 7" }]);

  it("is told with its code and what it names", () => {
    expect(new FailureWatch().assess(entry, failed, 0)).toEqual({
      failure: "HANDLER_FAILED: task 0: division by zero at said-0 offset 7",
      recovered: false,
    });
  });

  it("is over when all tasks have run without one for some seconds, not when a worker starts again", () => {
    const watch = new FailureWatch();
    watch.assess(entry, failed, 0);
    expect(watch.assess(entry, said([]), 1_000).recovered).toBe(false);
    expect(watch.assess(entry, said([0, 1]), 2_000).recovered).toBe(false);
    expect(watch.assess(entry, failed, 3_000)).toMatchObject({ recovered: false });
    expect(watch.assess(entry, said([0, 1]), 4_000).recovered).toBe(false);
    expect(watch.assess(entry, said([0, 1]), 4_000 + recoveryMs).recovered).toBe(true);
  });
});
