import type { DeploymentSpec } from "@reprise/engine";
import { describe, expect, it } from "vitest";
import type { TopicDescription } from "../src/cluster.ts";
import { topicsOf } from "../src/deploy/create-topics.ts";
import { readDeployRequest } from "../src/deploy/deploy-request.ts";
import { viewManifest } from "../src/deploy/manifest-view.ts";
import { ownRoutes } from "../src/deploy/plan-routes.ts";
import { planDeploy } from "../src/deploy/plan-deploy.ts";
import { became, created, specOf, stateAfter } from "./support/control-fixture.ts";
import { artifactOf, manifestOf } from "./support/manifest.ts";

const topics = (...counts: readonly (readonly [string, number])[]): Map<string, TopicDescription> =>
  new Map(counts.map(([topic, partitions]) => [topic, { topic, topicId: `id-of-${topic}`, partitions }]));
const wish = (version: number, artifact: string, more: { inputs?: string[]; outputs?: string[] } = {}) =>
  readDeployRequest({ manifest: manifestOf("p", version, { inputs: more.inputs ?? ["in"], outputs: more.outputs ?? ["out"] }), artifact });

const deploymentOf = (state: ReturnType<typeof stateAfter>): DeploymentSpec => [...state.deployments.values()][0]?.spec as DeploymentSpec;

describe("a deployment", () => {
  it("gets an id with an ordinal per version; the first of its processor publishes", () => {
    const first = planDeploy(stateAfter(), wish(1, artifactOf("1")), topics(["in", 4]));
    expect(first).toMatchObject({
      publishes: true,
      deployment: { id: "p.v1.1", inputs: [{ topic: "in", topicId: "id-of-in", partitions: 4 }], maxSlots: 1 },
    });
    const again = planDeploy(stateAfter(first), wish(1, artifactOf("1")), topics(["in", 4]));
    expect(again).toMatchObject({ publishes: false, deployment: { id: "p.v1.2" } });
  });

  it("of a version with other code is refused, also after the first one was retired", () => {
    const retired = stateAfter(created(specOf("p", 1), true), became("p.v1.1", "Retired"));
    expect(() => planDeploy(retired, wish(1, artifactOf("f")), topics(["in", 4]))).toThrow(
      expect.objectContaining({ code: "VERSION_FROZEN" }),
    );
  });

  it("names the input that is missing, and the partition counts that differ", () => {
    expect(() => planDeploy(stateAfter(), wish(1, artifactOf("1"), { inputs: ["in", "gone"] }), topics(["in", 4]))).toThrow("'gone'");
    expect(() => planDeploy(stateAfter(), wish(1, artifactOf("1"), { inputs: ["in", "also"] }), topics(["in", 4], ["also", 3]))).toThrow(
      "'in' has 4, 'also' has 3",
    );
  });

  it("has the same first input as the publisher", () => {
    const first = stateAfter(planDeploy(stateAfter(), wish(1, artifactOf("1")), topics(["in", 4])));
    const known = topics(["in", 4], ["also", 4]);
    expect(planDeploy(first, wish(2, artifactOf("2"), { inputs: ["in", "also"] }), known).deployment.id).toBe("p.v2.1");
    expect(() => planDeploy(first, wish(2, artifactOf("2"), { inputs: ["also", "in"] }), known)).toThrow("put 'in' first");
  });

  it("does not write what another processor writes, nor what it reads", () => {
    const other = stateAfter(created(specOf("q", 1, { outputs: ["out"] }), true));
    expect(() => planDeploy(other, wish(1, artifactOf("1")), topics(["in", 4]))).toThrow("processor 'q'");
    expect(() => planDeploy(stateAfter(), wish(1, artifactOf("1"), { outputs: ["in"] }), topics(["in", 4]))).toThrow(
      "reads the topic 'in' that it writes",
    );
  });

  it("begins with an older version's checkpoints when its state can come from them, and is refused by what can't", () => {
    const first = stateAfter(planDeploy(stateAfter(), wish(1, artifactOf("1")), topics(["in", 4])));
    const from = (version: number, checkpointOf: string | number, change: (manifest: Record<string, any>) => void = () => undefined) => {
      const manifest = manifestOf("p", version, { inputs: ["in"], outputs: ["out"] });
      change(manifest);
      return readDeployRequest({ manifest, artifact: artifactOf(String(version)), checkpointOf });
    };
    for (const named of [1, "v1", "p.v1.1"])
      expect(planDeploy(first, from(2, named), topics(["in", 4])).deployment.start).toEqual({ checkpointOf: "p.v1.1" });
    expect(planDeploy(first, wish(2, artifactOf("2")), topics(["in", 4])).deployment.start).toBe("earliest");
    const refused = (code: string): unknown => expect.objectContaining({ code });
    expect(() => planDeploy(first, from(2, 7), topics(["in", 4]))).toThrow(refused("DEPLOYMENT_UNKNOWN"));
    const other = from(2, 1, (manifest) => (manifest["state"].totals.type = "map"));
    expect(() => planDeploy(first, other, topics(["in", 4]))).toThrow("state.totals: was a value, is a map");
    const anew = new Map([["in", { topic: "in", topicId: "another", partitions: 4 }]]);
    expect(() => planDeploy(first, from(2, 1), anew)).toThrow(refused("TOPIC_RECREATED"));
    const newer = stateAfter(planDeploy(stateAfter(), wish(3, artifactOf("3")), topics(["in", 4])));
    expect(() => planDeploy(newer, from(2, 3), topics(["in", 4]))).toThrow("no older version");
    const retired = stateAfter(created(specOf("p", 1), true), became("p.v1.1", "Retired"));
    expect(() => planDeploy(retired, from(2, 1), topics(["in", 4]))).toThrow(refused("DEPLOYMENT_UNKNOWN"));
  });

  describe("that rekeys an input", () => {
    const rekeyed = (inputs: string[], sources: string[], version = 1) =>
      readDeployRequest({ manifest: manifestOf("p", version, { inputs, rekeyed: sources }), artifact: artifactOf(String(version)) });

    it("reads an internal topic of its own, with as many partitions as the inputs that have the key already; one of those leads", () => {
      const { deployment } = planDeploy(stateAfter(), rekeyed(["in"], ["clicks"]), topics(["in", 4], ["clicks", 7]));
      expect(deployment.inputs.map(({ topic, partitions }) => [topic, partitions])).toEqual([
        ["in", 4],
        ["reprise.p.v1.1.clicks-by-word", 4],
      ]);
      expect(deployment.routes).toEqual([
        {
          name: "clicks-by-word",
          topic: "reprise.p.v1.1.clicks-by-word",
          partitions: 4,
          source: { topic: "clicks", topicId: "id-of-clicks", partitions: 7 },
        },
      ]);
    });

    it("has as many partitions as the first source when it has no other inputs, and the first internal topic leads", () => {
      const wished = rekeyed([], ["clicks", "views"]);
      const known = topics(["clicks", 7], ["views", 3], ["reprise.p.v1.1.clicks-by-word", 7], ["reprise.p.v1.1.views-by-word", 7]);
      const { deployment } = planDeploy(stateAfter(), wished, known);
      expect(deployment.inputs).toEqual([
        { topic: "reprise.p.v1.1.clicks-by-word", topicId: "id-of-reprise.p.v1.1.clicks-by-word", partitions: 7 },
        { topic: "reprise.p.v1.1.views-by-word", topicId: "id-of-reprise.p.v1.1.views-by-word", partitions: 7 },
      ]);
      expect(deployment.routes?.map(({ source }) => source.partitions)).toEqual([7, 3]);
      expect(topicsOf(deployment).find(({ topic }) => topic === "reprise.p.v1.1.delta")?.partitions).toBe(7);
    });

    it("is refused when the source is missing, is its output, or makes a name that is too long", () => {
      expect(() => planDeploy(stateAfter(), rekeyed(["in"], ["gone"]), topics(["in", 4]))).toThrow("'gone'");
      const own = readDeployRequest({
        manifest: manifestOf("p", 1, { inputs: [], rekeyed: ["x"], outputs: ["x"] }),
        artifact: artifactOf("1"),
      });
      expect(() => planDeploy(stateAfter(), own, topics(["x", 4]))).toThrow("reads the topic 'x' that it writes");
      const long = "x".repeat(240);
      expect(() => planDeploy(stateAfter(), rekeyed([], [long]), topics([long, 4]))).toThrow("Kafka takes 249");
    });

    it("may read the internal topics of another version, when its records would go to the same keys", () => {
      const known = topics(["clicks", 2], ["reprise.p.v1.1.clicks-by-word", 2]);
      const first = stateAfter(planDeploy(stateAfter(), rekeyed([], ["clicks"]), known));
      const shared = { ...rekeyed([], ["clicks"], 2), routesOf: "v1" };
      const { deployment } = planDeploy(first, shared, known);
      expect(deployment.routes?.map(({ topic }) => topic)).toEqual(["reprise.p.v1.1.clicks-by-word"]);
      expect(deployment.inputs.map(({ topicId }) => topicId)).toEqual(["id-of-reprise.p.v1.1.clicks-by-word"]);
      expect([ownRoutes(deployment), ownRoutes(deploymentOf(first))].map((routes) => routes.length)).toEqual([0, 1]);
      // Those of a third are the first one's too, and so may its checkpoints be.
      const third = { ...rekeyed([], ["clicks"], 3), routesOf: 2, checkpointOf: 2 };
      const next = stateAfter(...[created(deploymentOf(first), true), created(deployment, false)]);
      expect(planDeploy(next, third, known).deployment).toMatchObject({ routes: deployment.routes, start: { checkpointOf: "p.v2.1" } });
      const other = readDeployRequest({
        ...{ manifest: manifestOf("p", 2, { inputs: [], rekeyed: ["clicks"], by: "v => v + 1" }), artifact: artifactOf("2") },
        routesOf: "p.v1.1",
      });
      expect(() => planDeploy(first, other, known)).toThrow("key, schema or code of 'by' of clicks-by-word differ");
      expect(() => planDeploy(first, { ...rekeyed([], ["views"], 2), routesOf: 1 }, topics(["views", 2]))).toThrow(
        "it has no input views-by-word",
      );
      expect(() =>
        planDeploy(first, shared, topics(["clicks", 2]).set("clicks", { topic: "clicks", topicId: "new", partitions: 2 })),
      ).toThrow(expect.objectContaining({ code: "TOPIC_RECREATED" }));
      expect(() => planDeploy(first, { ...shared, routesOf: 9 }, known)).toThrow(expect.objectContaining({ code: "DEPLOYMENT_UNKNOWN" }));
    });

    it("does not begin with checkpoints, whose positions are in another's internal topics", () => {
      const first = stateAfter(planDeploy(stateAfter(), rekeyed([], ["clicks"]), topics(["clicks", 2])));
      const next = { ...rekeyed([], ["clicks"], 2), checkpointOf: 1 };
      expect(() => planDeploy(first, next, topics(["clicks", 2]))).toThrow(expect.objectContaining({ code: "NOT_SUPPORTED" }));
    });
  });

  it("gets its topics kept for ever: outputs, compacted for tables, deltas and dead letters", () => {
    const spec = specOf("p", 1, { partitions: 3, outputs: ["out"] });
    expect(topicsOf(spec).map(({ topic, partitions }) => [topic, partitions])).toEqual([
      ["out", 3],
      ["reprise.p.v1.1.delta", 3],
      ["p-dead-letters", 3],
    ]);
    expect(topicsOf(spec)[0]?.configs).toMatchObject({ "cleanup.policy": "delete", "retention.ms": "-1" });
    const table = { ...spec, manifest: { ...spec.manifest, outputs: [{ alias: "t", topic: "t", kind: "table" }] } };
    expect(topicsOf(table)[0]?.configs).toEqual({ "cleanup.policy": "compact" });
  });
});

describe("a request", () => {
  it.each([
    [{ workers: 0 }, "workers"],
    [{ workers: 1.5 }, "workers"],
    [{ checkpointOf: {} as never }, "checkpointOf"],
    [{ commitIntervalMs: 1 }, "commitIntervalMs"],
    [{ params: [] as never }, "params"],
    [{ artifact: "A".repeat(64) }, "artifact"],
  ])("%j is refused, naming the argument", (wrong, argument) => {
    const request = { manifest: manifestOf("p", 1, { inputs: ["in"] }), artifact: artifactOf("1"), ...wrong };
    expect(() => readDeployRequest(request)).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT", details: expect.objectContaining({ argument }) as unknown }),
    );
  });

  it.each(["Upper", "", "-x", "a/b", "x".repeat(64), "ümlaut"])("the processor name %j is refused", (name) => {
    expect(() => viewManifest(manifestOf(name, 1, { inputs: ["in"] }))).toThrow(expect.objectContaining({ code: "INVALID_NAME" }));
  });

  it.each([0, -1, 1.5, "1", null])("the version %j is refused", (version) => {
    expect(() => viewManifest({ ...manifestOf("p", 1, { inputs: ["in"] }), version })).toThrow(
      expect.objectContaining({ code: "INVALID_DECLARATION" }),
    );
  });

  it("only states and windows that are views can be read", () => {
    expect(viewManifest(manifestOf("p", 1, { inputs: ["in"] })).views).toEqual(["totals"]);
  });
});
