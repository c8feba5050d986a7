import { describe, expect, test } from "vitest";
import { emptyControlState, foldControl, type ControlEvent, type ControlState, type DeploymentSpec } from "@reprise/engine";
import { applyRole, followsWithin, roleOf, isParked, type Role } from "../../src/session/publication.ts";
import type { Task } from "../../src/task/task.ts";

const task = (position: { [topic: string]: number }, mode: "live" | "building" = "live"): Task =>
  ({
    partition: 1,
    meta: { mode },
    position,
    publishing: false,
    cursors: Object.keys(position).map((name) => ({ name, broadcast: false, bound: -1 })),
  }) as unknown as Task;
const bounds = (t: Task): number[] => t.cursors.map((c) => c.bound);
const never = Number.POSITIVE_INFINITY;

describe("a publisher's task", () => {
  const from = { a: [0, 10], b: [0, 20] };
  const role: Role = { kind: "publisher", from };

  test("runs muted to its interval's start, exactly, in every input", () => {
    const t = task({ a: 10, b: 5 });
    expect(applyRole(t, role, new Map())).toBe(false);
    expect([t.publishing, bounds(t)]).toEqual([false, [10, 20]]);
  });

  test("publishes from there on, and says once that it begins", () => {
    const t = task({ a: 10, b: 20 });
    expect(applyRole(t, role, new Map())).toBe(true);
    expect([t.publishing, bounds(t)]).toEqual([true, [never, never]]);
    expect(applyRole(t, role, new Map())).toBe(false);
  });

  test("publishes from its very start when its interval begins there", () => {
    const t = task({ a: 0, b: 0 });
    expect(applyRole(t, { kind: "publisher", from: {} }, new Map())).toBe(true);
  });

  test("that still builds does not publish: it waits at the cut until it is live", () => {
    const t = task({ a: 10, b: 20 }, "building");
    expect(applyRole(t, role, new Map())).toBe(false);
    expect([t.publishing, bounds(t)]).toEqual([false, [10, 20]]);
  });

  test("reads an input freely that the former publisher did not read", () => {
    const t = task({ a: 3, new: 500 });
    applyRole(t, { kind: "publisher", from: { a: [0, 10] } }, new Map());
    expect([t.publishing, bounds(t)]).toEqual([false, [10, never]]);
  });
});

describe("a follower's task", () => {
  const role: Role = { kind: "follower", of: "v1" };

  test("goes as far as the publisher's commit record, in all inputs", () => {
    const t = task({ a: 0, b: 0 });
    applyRole(t, role, new Map([[1, { a: 7, b: 9 }]]));
    expect([t.publishing, bounds(t)]).toEqual([false, [7, 9]]);
  });

  test("goes nowhere while the publisher's position is not known", () => {
    const t = task({ a: 0, b: 0 });
    applyRole(t, role, new Map([[0, { a: 7, b: 9 }]]));
    expect(bounds(t)).toEqual([0, 0]);
  });

  test("is not held back in an input that the publisher does not read", () => {
    const t = task({ a: 0, new: 0 });
    applyRole(t, role, new Map([[1, { a: 7 }]]));
    expect(bounds(t)).toEqual([7, never]);
  });

  test("stops publishing at once", () => {
    const t = task({ a: 5 });
    t.publishing = true;
    applyRole(t, role, new Map());
    expect(t.publishing).toBe(false);
  });
});

describe("roles by the control log", () => {
  const state = (...events: ControlEvent[]): ControlState =>
    events.reduce(
      (s, event, offset) => foldControl(s, { format: 1, idempotencyKey: `${offset}`, atMs: offset, by: "test", event }, offset),
      emptyControlState,
    );
  const created = (id: string, publishes: boolean): ControlEvent =>
    ({ type: "DeploymentCreated", deployment: { id, processor: "p" }, publishes }) as unknown as ControlEvent;
  const intended: ControlEvent = {
    type: "CutoverIntended",
    cutover: "c",
    kind: "cutover",
    processor: "p",
    from: "v1",
    to: "v2",
    forced: [],
  };
  const cut: ControlEvent = { type: "CutDecided", cutover: "c", processor: "p", from: "v1", to: "v2", at: { a: [4] } } as ControlEvent;
  const completed: ControlEvent = { type: "CutoverCompleted", cutover: "c", processor: "p", from: "v1", to: "v2" };
  const start = [created("v1", true), created("v2", false)];

  test("the first deployment publishes from the start, the second follows it", () => {
    const s = state(...start);
    expect(roleOf(s, "v1", "p")).toEqual({ kind: "publisher", from: {} });
    expect(roleOf(s, "v2", "p")).toEqual({ kind: "follower", of: "v1" });
    expect(roleOf(s, "v2", "other")).toEqual({ kind: "idle" });
  });

  test("under an Intent the one cut away from is parked, and roles stay; the Cut changes them", () => {
    const under = state(...start, intended);
    expect([isParked(under, "v1"), isParked(under, "v2")]).toEqual([true, false]);
    expect(roleOf(under, "v1", "p").kind).toBe("publisher");
    const after = state(...start, intended, cut);
    expect(isParked(after, "v1")).toBe(false);
    expect(roleOf(after, "v1", "p")).toEqual({ kind: "follower", of: "v2" });
    expect(roleOf(after, "v2", "p")).toEqual({ kind: "publisher", from: { a: [4] } });
  });

  test("a rollback gives the old deployment a second interval", () => {
    const back = { ...intended, cutover: "d", kind: "rollback", from: "v2", to: "v1" } as ControlEvent;
    const backCut = { ...cut, cutover: "d", from: "v2", to: "v1", at: { a: [9] } } as ControlEvent;
    const s = state(...start, intended, cut, completed, back, backCut);
    expect(s.processors.get("p")?.intervals).toEqual([
      { deployment: "v1", from: {}, to: { a: [4] } },
      { deployment: "v2", from: { a: [4] }, to: { a: [9] } },
      { deployment: "v1", from: { a: [9] }, to: null },
    ]);
    expect(roleOf(s, "v1", "p")).toEqual({ kind: "publisher", from: { a: [9] } });
  });

  test("what does not fit is no event: a cut that nobody intended, one decided before, a completion of another cutover", () => {
    const s = state(...start, cut);
    expect(s.processors.get("p")?.intervals).toHaveLength(1);
    const twice = state(...start, intended, cut, { ...cut, at: { a: [99] } } as ControlEvent);
    expect(twice.processors.get("p")?.intervals.at(-1)?.from).toEqual({ a: [4] });
    const other = state(...start, intended, cut, { ...completed, cutover: "x" } as ControlEvent);
    expect(other.processors.get("p")?.pending).toBeDefined();
    expect(state(...start, intended, cut, completed).processors.get("p")).toMatchObject({ serving: "v2" });
    expect(state(...start, intended, cut, completed).processors.get("p")?.pending).toBeUndefined();
  });

  test("a retired deployment stays so, and each record is remembered by its key and revision", () => {
    const changed = (next: string): ControlEvent => ({ type: "DeploymentStateChanged", deployment: "v2", state: next }) as ControlEvent;
    const s = state(...start, changed("Retired"), changed("Replaying"));
    expect(s.deployments.get("v2")?.state).toBe("Retired");
    expect([s.revision, s.applied.get("0")]).toEqual([4, 1]);
  });
});

describe("a follower", () => {
  test("stays behind its publisher, unless they have internal topics that they do not share, between which there is no cut", () => {
    const plain = { id: "p.v1.1" } as DeploymentSpec;
    const staged = { id: "p.v2.1", routes: [{ topic: "p.v2.1.x-by-k" }] } as unknown as DeploymentSpec;
    expect(followsWithin({ ...plain, routes: staged.routes as [] }, staged)).toBe(true);
    expect(followsWithin(plain, plain)).toBe(true);
    expect(followsWithin(staged, plain)).toBe(false);
    expect(followsWithin(plain, staged)).toBe(false);
    expect(followsWithin(plain, undefined)).toBe(true);
  });
});
