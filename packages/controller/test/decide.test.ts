import type { ControlState, DeploymentEntry } from "@reprise/engine";
import { describe, expect, it } from "vitest";
import { behindCut, cutOf } from "../src/decide/cut.ts";
import { type DeploymentFacts, nextState } from "../src/decide/deployment-state.ts";
import { type CutoverDemand, planCutover, standbyBefore } from "../src/decide/plan-cutover.ts";
import { planRetire } from "../src/decide/plan-retire.ts";
import { became, commitAt, completed, created, cut, intended, specOf, stateAfter } from "./support/control-fixture.ts";

const one = specOf("p", 1);
const two = specOf("p", 2);
const both = [created(one, true), created(two, false)] as const;
const served = [...both, became(one.id, "Serving"), became(two.id, "CaughtUp")] as const;

describe("the cut", () => {
  it("is what the fenced publisher committed, per partition and input", () => {
    const spec = specOf("p", 1, { inputs: ["a", "b"], partitions: 2 });
    const records = new Map([
      [0, commitAt({ a: 10, b: 20 })],
      [1, commitAt({ a: 30, b: 0 })],
    ]);
    expect(cutOf(spec, {}, records)).toEqual({ a: [10, 30], b: [20, 0] });
  });

  it("is never before the start of the publisher's own interval, also where it committed nothing", () => {
    expect(cutOf(one, { in: [50, 5] }, new Map([[0, commitAt({ in: 40 })]]))).toEqual({ in: [50, 5] });
  });

  it("is passed when every task of the new publisher has committed it", () => {
    const at = { in: [10, 0] };
    const records = new Map([[0, commitAt({ in: 9 })]]);
    expect(behindCut(two, at, records)).toEqual([
      { topic: "in", partition: 0, missing: 1 },
      { topic: "in", partition: 1, missing: 0 },
    ]);
    records.set(0, commitAt({ in: 10 })).set(1, commitAt({ in: 0 }));
    expect(behindCut(two, at, records)).toEqual([]);
  });

  it("says nothing of an input that only the new publisher reads", () => {
    const wider = specOf("p", 2, { inputs: ["in", "extra"], partitions: 1 });
    expect(behindCut(wider, { in: [3] }, new Map([[0, commitAt({ in: 3, extra: 0 })]]))).toEqual([]);
  });
});

describe("the state of a deployment", () => {
  const nothing: DeploymentFacts = { prepared: false, started: false, allCommitted: false, caughtUp: false, recovered: false };
  const next = (state: ControlState, id: string, facts: Partial<DeploymentFacts>): unknown =>
    nextState(state, state.deployments.get(id) as DeploymentEntry, { ...nothing, ...facts });

  it("of the first one goes from Planned to Starting to Serving", () => {
    const planned = stateAfter(...both);
    expect(next(planned, one.id, {})).toBeUndefined();
    expect(next(planned, one.id, { prepared: true })).toEqual({ state: "Starting" });
    const starting = stateAfter(...both, became(one.id, "Starting"));
    expect(next(starting, one.id, { started: true })).toBeUndefined();
    expect(next(starting, one.id, { started: true, allCommitted: true })).toEqual({ state: "Serving" });
  });

  it("is Planned until its topics are there, also when it was cut away from before", () => {
    const state = stateAfter(...both, intended(one.id, two.id), cut(one.id, two.id, { in: [0, 0] }), completed(one.id, two.id));
    expect(next(state, one.id, {})).toBeUndefined();
    expect(next(state, one.id, { prepared: true })).toEqual({ state: "Standby" });
  });

  it("of a follower goes from Starting to Replaying to CaughtUp, and not back when it lags for a moment", () => {
    expect(next(stateAfter(...both, became(two.id, "Starting")), two.id, { started: true })).toEqual({ state: "Replaying" });
    const replaying = stateAfter(...both, became(two.id, "Replaying"));
    expect(next(replaying, two.id, { started: true })).toBeUndefined();
    expect(next(replaying, two.id, { caughtUp: true })).toEqual({ state: "CaughtUp" });
    expect(next(stateAfter(...served), two.id, { caughtUp: false })).toBeUndefined();
  });

  it("in a cutover is read from the log alone", () => {
    const intent = stateAfter(...served, intended(one.id, two.id));
    expect(next(intent, two.id, {})).toEqual({ state: "TakingOver" });
    expect(next(intent, one.id, {})).toBeUndefined();
    const decided = stateAfter(...served, intended(one.id, two.id), cut(one.id, two.id, { in: [1, 1] }));
    // Queries still go to the old one.
    expect(next(decided, one.id, {})).toBeUndefined();
    const done = stateAfter(...served, intended(one.id, two.id), cut(one.id, two.id, { in: [1, 1] }), completed(one.id, two.id));
    expect(next(done, one.id, {})).toEqual({ state: "Standby" });
    expect(next(done, two.id, {})).toEqual({ state: "Serving" });
  });

  it("is Failed with the reason while a worker announces a failure, and what the log says when that is over", () => {
    const serving = stateAfter(...served);
    expect(next(serving, one.id, { failure: "HANDLER_FAILED: x" })).toEqual({ state: "Failed", reason: "HANDLER_FAILED: x" });
    const failed = stateAfter(...served, became(one.id, "Failed", "x"));
    expect(next(failed, one.id, { failure: "HANDLER_FAILED: x" })).toBeUndefined();
    expect(next(failed, one.id, { allCommitted: true })).toBeUndefined();
    expect(next(failed, one.id, { allCommitted: true, recovered: true })).toEqual({ state: "Serving" });
    const follower = stateAfter(...served, became(two.id, "Failed", "x"));
    expect(next(follower, two.id, { recovered: true })).toEqual({ state: "Replaying" });
  });

  it("never leaves its ends", () => {
    for (const end of ["Retiring", "Retired", "Aborted"] as const) {
      expect(next(stateAfter(...served, became(two.id, end)), two.id, { caughtUp: true, failure: "x" })).toBeUndefined();
    }
  });
});

describe("a cutover", () => {
  const demand = (more: Partial<CutoverDemand> = {}): CutoverDemand => ({
    processor: "p",
    kind: "cutover",
    force: [],
    lagMs: () => 0,
    lagLimitMs: 5_000,
    ...more,
  });

  it("goes from the publisher to the newest other deployment", () => {
    expect(planCutover(stateAfter(...served), demand())).toEqual({
      type: "CutoverIntended",
      cutover: "p.4",
      kind: "cutover",
      processor: "p",
      from: one.id,
      to: two.id,
      forced: [],
    });
  });

  it("takes a deployment by its id, its version as a number or as v2", () => {
    for (const to of [two.id, 2, "2", "v2"]) expect(planCutover(stateAfter(...served), demand({ to }))).toMatchObject({ to: two.id });
    expect(() => planCutover(stateAfter(...served), demand({ to: 3 }))).toThrow("no deployment '3'");
  });

  it("to one that replays or lags is refused unless forced by name", () => {
    const replaying = stateAfter(...both, became(two.id, "Replaying"));
    expect(() => planCutover(replaying, demand())).toThrow(expect.objectContaining({ code: "NOT_CAUGHT_UP" }));
    expect(planCutover(replaying, demand({ force: ["not-caught-up"] }))).toMatchObject({ to: two.id, forced: ["not-caught-up"] });
    const late = demand({ lagMs: () => 61_000 });
    expect(() => planCutover(stateAfter(...served), late)).toThrow("61.0 s");
    expect(planCutover(stateAfter(...served), { ...late, force: ["not-caught-up"] })).toMatchObject({ to: two.id });
  });

  it("is refused while another one is under way, and to a deployment that failed or is not there yet", () => {
    expect(() => planCutover(stateAfter(...served, intended(one.id, two.id)), demand())).toThrow(
      expect.objectContaining({ code: "CUTOVER_IN_PROGRESS" }),
    );
    expect(() => planCutover(stateAfter(...served, became(two.id, "Failed", "boom")), demand())).toThrow("boom");
    expect(() => planCutover(stateAfter(...both), demand({ force: ["not-caught-up"] }))).toThrow(
      expect.objectContaining({ code: "ILLEGAL_STATE" }),
    );
    expect(() => planCutover(stateAfter(created(one, true)), demand())).toThrow(expect.objectContaining({ code: "DEPLOYMENT_UNKNOWN" }));
  });

  const cutOver = [
    ...served,
    intended(one.id, two.id),
    cut(one.id, two.id, { in: [1, 1] }),
    completed(one.id, two.id),
    became(one.id, "Standby"),
    became(two.id, "Serving"),
  ] as const;

  it("back goes to the standby that published last before, whatever its lag is", () => {
    const state = stateAfter(...cutOver);
    expect(planCutover(state, demand({ kind: "rollback", lagMs: () => 999_999 }))).toMatchObject({
      kind: "rollback",
      from: two.id,
      to: one.id,
    });
    expect(standbyBefore(state, state.processors.get("p") as never)?.spec.id).toBe(one.id);
  });

  it("is refused between deployments that do not share their internal topics, also by force and back: there is no exact seam", () => {
    const route = { name: "x-by-k", topic: "reprise.p.v2.1.x-by-k", partitions: 2, source: { topic: "x", topicId: "x", partitions: 3 } };
    const refused = expect.objectContaining({ code: "NOT_SUPPORTED" }) as unknown as Error;
    const away = stateAfter(created({ ...one, routes: [route] }, true), created(two, false), became(two.id, "CaughtUp"));
    expect(() => planCutover(away, demand())).toThrow(refused);
    const towards = stateAfter(created(one, true), created({ ...two, routes: [route] }, false), became(two.id, "CaughtUp"));
    expect(() => planCutover(towards, demand({ force: ["not-caught-up"] }))).toThrow(`${two.id} rekeys 'x'`);
    const shared = stateAfter(
      created({ ...one, routes: [route] }, true),
      created({ ...two, routes: [route] }, false),
      became(two.id, "CaughtUp"),
    );
    expect(planCutover(shared, demand())).toMatchObject({ from: one.id, to: two.id });
    // Whoever has taken over before, by a release that could: back is not possible either.
    const taken = stateAfter(
      created({ ...one, routes: [route] }, true),
      created(two, false),
      intended(one.id, two.id),
      cut(one.id, two.id, { in: [5, 7] }),
      completed(one.id, two.id),
      became(one.id, "Standby"),
    );
    expect(() => planCutover(taken, demand({ kind: "rollback" }))).toThrow(refused);
  });

  it("back is refused, with the reason, when nobody is left to go back to", () => {
    expect(() => planCutover(stateAfter(...served), demand({ kind: "rollback" }))).toThrow("no other deployment has published before");
    expect(() => planCutover(stateAfter(...cutOver, became(one.id, "Retired")), demand({ kind: "rollback" }))).toThrow(
      `${one.id} is Retired, not Standby`,
    );
  });
});

describe("retiring", () => {
  it("is final, and refused for whoever publishes, serves or is being cut to", () => {
    expect(planRetire(stateAfter(...served), two.id)).toEqual({ type: "DeploymentStateChanged", deployment: two.id, state: "Retiring" });
    expect(() => planRetire(stateAfter(...served), one.id)).toThrow("it publishes");
    expect(() => planRetire(stateAfter(...served, intended(one.id, two.id)), two.id)).toThrow("a cutover with it is under way");
    expect(() => planRetire(stateAfter(...served, intended(one.id, two.id), cut(one.id, two.id, { in: [1, 1] })), one.id)).toThrow(
      "it answers queries",
    );
    expect(() => planRetire(stateAfter(...served, became(two.id, "Retiring")), two.id)).toThrow("it is Retiring already");
    expect(() => planRetire(stateAfter(...served), "p.v9.1")).toThrow(expect.objectContaining({ code: "DEPLOYMENT_UNKNOWN" }));
  });
});
