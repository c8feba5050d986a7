import { clockTopicOf } from "@reprise/engine";
import { describe, expect, it } from "vitest";
import { Clocks } from "../src/clocks.ts";
import type { TopicDescription, TopicWish } from "../src/cluster.ts";
import { createClockTopic } from "../src/deploy/create-topics.ts";
import { readDeployRequest } from "../src/deploy/deploy-request.ts";
import { viewManifest } from "../src/deploy/manifest-view.ts";
import { planDeploy } from "../src/deploy/plan-deploy.ts";
import { became, stateAfter } from "./support/control-fixture.ts";
import { artifactOf, manifestOf } from "./support/manifest.ts";

const topic = clockTopicOf("p", 10_000);
const described = (name: string, partitions: number): [string, TopicDescription] => [
  name,
  { topic: name, topicId: `id-of-${name}`, partitions },
];
const wishOf = (version: number, clockMs?: number) =>
  readDeployRequest({
    manifest: manifestOf("p", version, { inputs: ["in"], ...(clockMs === undefined ? {} : { clockMs }) }),
    artifact: artifactOf(String(version)),
  });
const deployed = (version: number, clockMs?: number) =>
  planDeploy(stateAfter(), wishOf(version, clockMs), new Map([described("in", 2), described(topic, 2)]));

interface Tick {
  readonly topic: string;
  readonly partition: number;
  readonly key: Uint8Array | null;
  readonly timestampMs: number | undefined;
}

function clocksInto(ticks: Tick[], fail = false): { readonly clocks: Clocks; readonly warnings: unknown[] } {
  const warnings: unknown[] = [];
  const writer = {
    async send(to: string, partition: number, key: Uint8Array | null, _value: unknown, _headers?: unknown, timestampMs?: number) {
      if (fail) throw new Error("no broker");
      ticks.push({ topic: to, partition, key, timestampMs });
    },
  };
  return { clocks: new Clocks(writer, { warn: (...args: unknown[]) => warnings.push(args) } as never), warnings };
}

describe("the clock of a processor", () => {
  it("is the last of its deployment's inputs, after those that it declares", () => {
    expect(deployed(1, 10_000).deployment.inputs.map((input) => input.topic)).toEqual(["in", topic]);
    expect(deployed(1).deployment.inputs.map((input) => input.topic)).toEqual(["in"]);
  });

  it("is refused when its topic has other partitions than the inputs, and when the manifest's interval is none", () => {
    const known = new Map([described("in", 2), described(topic, 3)]);
    expect(() => planDeploy(stateAfter(), wishOf(1, 10_000), known)).toThrow(`'${topic}' has 3`);
    expect(() => viewManifest({ ...manifestOf("p", 1, { inputs: ["in"] }), clockMs: -1 })).toThrow("clockMs");
  });

  it("has a topic that is created once, kept for ever, with the partitions of the lead input", async () => {
    const made: TopicWish[] = [];
    const there = new Map([described("in", 3)]);
    const cluster = {
      describeTopics: async (names: readonly string[]) => new Map([...there].filter(([name]) => names.includes(name))),
      createTopic: async (wish: TopicWish) => {
        made.push(wish);
        there.set(...described(wish.topic, wish.partitions));
      },
    };
    const { manifest } = wishOf(1, 10_000);
    await createClockTopic(manifest, cluster);
    await createClockTopic(manifest, cluster);
    expect(made).toEqual([
      { topic, partitions: 3, configs: { "cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1" } },
    ]);
    there.clear();
    await createClockTopic(manifest, cluster);
    expect(made).toHaveLength(1);
  });

  it("ticks once per interval and partition, at multiples of the interval, however often it is looked at", async () => {
    const ticks: Tick[] = [];
    const { clocks } = clocksInto(ticks);
    const state = stateAfter(deployed(1, 10_000), became("p.v1.1", "Serving"));
    for (const nowMs of [1_005_000, 1_009_999]) clocks.tick(state, nowMs);
    expect(ticks).toEqual([]);
    for (const nowMs of [1_010_000, 1_012_000, 1_019_999, 1_041_000, 1_030_000]) clocks.tick(state, nowMs);
    expect(ticks).toEqual(
      [1_010_000, 1_040_000].flatMap((timestampMs) => [0, 1].map((partition) => ({ topic, partition, key: null, timestampMs }))),
    );
  });

  it("ticks for deployments that run, once for several of one processor, and not for others", () => {
    const ticks: Tick[] = [];
    const { clocks } = clocksInto(ticks);
    const first = deployed(1, 10_000);
    const second = deployed(2, 10_000);
    const running = stateAfter(first, second, became("p.v1.1", "Serving"), became("p.v2.1", "Replaying"));
    for (const nowMs of [1_000_000, 1_010_000]) clocks.tick(running, nowMs);
    expect(ticks).toHaveLength(2);
    const gone = stateAfter(first, became("p.v1.1", "Retired"));
    clocks.tick(gone, 1_020_000);
    clocks.tick(stateAfter(deployed(1), became("p.v1.1", "Serving")), 1_030_000);
    expect(ticks).toHaveLength(2);
  });

  it("says what could not be written, and goes on with the next tick", async () => {
    const { clocks, warnings } = clocksInto([], true);
    const state = stateAfter(deployed(1, 10_000), became("p.v1.1", "Serving"));
    for (const nowMs of [1_000_000, 1_010_000, 1_020_000]) clocks.tick(state, nowMs);
    await new Promise((resolve) => setImmediate(resolve));
    expect(warnings).toHaveLength(4);
  });
});
