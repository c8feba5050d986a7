import { type ErrorCode, errorTable, RepriseError } from "@reprise/schema";
import { expect, test } from "vitest";
import { Stopped } from "../../src/internal/stopped.ts";
import { faultOf, type TaskFault } from "../../src/session/task-fault.ts";

const expected: Partial<Record<ErrorCode, TaskFault>> = {
  BATCH_CORRUPT: "task",
  CHECKPOINT_MISSING: "task",
  DECLARATION_CONFLICT: "task",
  DELTAS_LOST: "task",
  INPUT_TRUNCATED: "task",
  PARTITIONS_CHANGED: "task",
  STATE_INCOMPATIBLE: "task",
  TOPIC_MISSING: "task",
  TOPIC_RECREATED: "task",
  BROKER_UNREACHABLE: "later",
  CHECKPOINT_CORRUPT: "later",
  CHECKPOINT_FAILED: "later",
  DISK_FULL: "later",
  KAFKA_FAILED: "later",
  STATE_CORRUPT: "later",
  STATE_FAILED: "later",
  CONTROL_LOST: "session",
  PRODUCER_FENCED: "session",
  STATE_LOCKED: "session",
};

test.each(Object.entries(expected))("%s concerns: %s", (code, fault) => {
  expect(faultOf(new RepriseError(code as ErrorCode, ""))).toBe(fault);
});

test("every error that a task may meet has its place, and what is no task's ends the session, or is the controller's", () => {
  const others = Object.entries(errorTable).filter(([code]) => expected[code as ErrorCode] === undefined);
  // Of the controller and its clients: no task meets them, and they may pass.
  const passing = others.filter(([, { retry }]) => retry).map(([code]) => code);
  expect(passing).toEqual(["CONTROLLER_UNREACHABLE", "NOT_LEADER", "REVISION_CONFLICT", "CUTOVER_IN_PROGRESS", "NOT_SERVING"]);
  for (const [code, { retry }] of others)
    expect([code, faultOf(new RepriseError(code as ErrorCode, ""))]).toEqual([code, retry ? "later" : "session"]);
  expect(faultOf(new TypeError("a mistake of ours"))).toBe("session");
  expect(faultOf(new Stopped())).toBe("given-up");
});
