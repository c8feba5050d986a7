import { type SessionEnd, systemClock } from "@reprise/engine";
import { type ErrorCode, RepriseError } from "@reprise/schema";
import { describe, expect, test } from "vitest";
import { RestartPolicy } from "../../src/internal/restart-policy.ts";
import { runSessions, type SessionLoopOptions } from "../../src/internal/session-loop.ts";

type Ended = Parameters<SessionLoopOptions["ended"]>[0];
const failing = (code: ErrorCode): Error => new RepriseError(code, `for a test: ${code}`);

/** Sessions that end as told, one after the other. */
function loop(ends: readonly (SessionEnd | Error)[], more: Partial<SessionLoopOptions> = {}) {
  const stopping = new AbortController();
  const ended: Ended[] = [];
  let sessions = 0;
  const options: SessionLoopOptions = {
    clock: systemClock,
    runSession: async () => {
      const end = ends[sessions++];
      if (end instanceof Error) throw end;
      if (end === undefined) throw new Error("no more sessions were expected");
      return end;
    },
    readControl: async () => undefined,
    intentsAway: () => 0,
    signal: stopping.signal,
    ended: (end) => ended.push(end),
    ...more,
  };
  return { stopping, ended, done: runSessions(options), sessions: () => sessions };
}

describe("sessions, one after the other", () => {
  test.each(["stopped", "retired"] as const)("end with one that was %s", async (how) => {
    const { done, sessions } = loop([how]);
    expect(await done).toBe(how);
    expect(sessions()).toBe(1);
  });

  test("go on after a fence and after what a new session may cure", async () => {
    const { done, ended } = loop(["fenced", failing("BROKER_UNREACHABLE"), failing("STATE_CORRUPT"), "stopped"]);
    expect(await done).toBe("stopped");
    expect(ended.map(({ reason, delayMs }) => [reason, delayMs])).toEqual([
      ["PRODUCER_FENCED", 100],
      ["BROKER_UNREACHABLE", 200],
      ["STATE_CORRUPT", 400],
    ]);
  });

  test.each(["DISK_FULL", "DELTAS_LOST", "INPUT_TRUNCATED", "CONTROL_LOST"] as const)("end with %s", async (code) => {
    await expect(loop([failing(code)]).done).rejects.toMatchObject({ code });
  });

  test("end with what is no error of Reprise", async () => {
    await expect(loop([new TypeError("a mistake")]).done).rejects.toThrow("a mistake");
  });

  test("wait for nothing after the fence of a cutover, whichever call it came from", async () => {
    let intents = 0;
    const readControl = async (): Promise<void> => void intents++;
    const { done, ended } = loop(["fenced", failing("PRODUCER_FENCED"), "stopped"], { readControl, intentsAway: () => intents });
    await done;
    expect(ended.map(({ delayMs, expected }) => [delayMs, expected])).toEqual([
      [0, true],
      [0, true],
    ]);
  });

  test("outlive a broker that is away also while the control log is read between them", async () => {
    let reads = 0;
    const readControl = async (): Promise<void> => {
      if (reads++ === 0) throw failing("BROKER_UNREACHABLE");
    };
    const { done, ended } = loop(["fenced", "stopped"], { readControl });
    expect(await done).toBe("stopped");
    expect(ended).toMatchObject([{ reason: "PRODUCER_FENCED", error: { code: "BROKER_UNREACHABLE" } }]);
  });

  test("end when the control log is gone", async () => {
    const readControl = (): Promise<void> => Promise.reject(failing("TOPIC_MISSING"));
    await expect(loop(["fenced"], { readControl }).done).rejects.toMatchObject({ code: "TOPIC_MISSING" });
  });

  test("end at once when they are stopped in a pause, or while the control log can't be read", async () => {
    const pausing = loop([...Array.from({ length: 6 }, () => failing("KAFKA_FAILED"))], {
      ended: ({ delayMs }) => delayMs > 100 && setImmediate(() => pausing.stopping.abort()),
    });
    expect(await pausing.done).toBe("stopped");
    const reading = loop(["fenced"], {
      readControl: async () => {
        reading.stopping.abort();
        throw new Error("stopped while it was waiting");
      },
    });
    expect(await reading.done).toBe("stopped");
  });
});

describe("the pause between sessions", () => {
  test("doubles up to 30 s, and begins anew after a good session or an expected end", () => {
    const policy = new RestartPolicy();
    const pauses = Array.from({ length: 12 }, () => policy.delayAfter(5, false));
    expect(pauses.slice(0, 4)).toEqual([100, 200, 400, 800]);
    expect(pauses.slice(-3)).toEqual([30_000, 30_000, 30_000]);
    expect(policy.delayAfter(60_000, false)).toBe(100);
    expect(policy.delayAfter(5, false)).toBe(200);
    expect(policy.delayAfter(5, true)).toBe(0);
    expect(policy.delayAfter(5, false)).toBe(100);
  });
});
