import { describe, expect, it } from "vitest";
import { EndSamples } from "../../src/lag/end-samples.ts";

describe("lag in seconds", () => {
  it("is unknown before any sample is reached, because it is longer than the samples reach back", () => {
    const samples = new EndSamples();
    expect(samples.lagMs(0, 1_000)).toBeUndefined();
    samples.add(1_000, 100);
    expect(samples.lagMs(99, 2_000)).toBeUndefined();
  });

  it("is the time since the log last ended where the reader is", () => {
    const samples = new EndSamples();
    samples.add(1_000, 100);
    samples.add(2_000, 100);
    samples.add(3_000, 200);
    samples.add(4_000, 300);
    expect(samples.lagMs(100, 5_000)).toBe(3_000);
    expect(samples.lagMs(250, 5_000)).toBe(2_000);
    expect(samples.lagMs(300, 5_000)).toBe(1_000);
  });

  it("does not grow while the log stands still and is looked at", () => {
    const samples = new EndSamples();
    for (let t = 0; t <= 100_000; t += 1_000) samples.add(t, 50);
    expect(samples.lagMs(50, 100_000)).toBe(0);
  });

  it("forgets ends that the log no longer has", () => {
    const samples = new EndSamples();
    samples.add(1_000, 100);
    samples.add(2_000, 200);
    samples.add(3_000, 150);
    expect(samples.end).toBe(150);
    expect(samples.lagMs(120, 4_000)).toBe(3_000);
  });

  it("stays bounded, and then overstates old lags but never understates one", () => {
    const exact = new EndSamples(100_000);
    const bounded = new EndSamples(64);
    for (let i = 1; i <= 5_000; i++) {
      exact.add(i * 100, i);
      bounded.add(i * 100, i);
    }
    let known = 0;
    for (let position = 1; position <= 5_000; position += 7) {
      const lag = bounded.lagMs(position, 500_000);
      if (lag === undefined) continue;
      known++;
      expect(lag).toBeGreaterThanOrEqual(exact.lagMs(position, 500_000) as number);
    }
    expect(known).toBeGreaterThan(0);
    expect(bounded.lagMs(5_000, 500_000)).toBe(0);
  });
});
