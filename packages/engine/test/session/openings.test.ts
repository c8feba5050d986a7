import { systemClock } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";
import { expect, test, vi } from "vitest";
import { Openings } from "../../src/session/openings.ts";
import type { OpeningWish, StartedTask } from "../../src/session/start-task.ts";

interface Call {
  readonly wish: OpeningWish;
  readonly resolve: (started: StartedTask) => void;
  readonly reject: (error: unknown) => void;
}

function harness(atOnce: number) {
  const calls: Call[] = [];
  const closed: number[] = [];
  const failed: unknown[] = [];
  const openings = new Openings({
    start: (wish) => new Promise((resolve, reject) => calls.push({ wish, resolve, reject })),
    atOnce,
    failed: (partition, error, final) => failed.push([partition, (error as Error).message, final]),
    changed: () => undefined,
    clock: systemClock,
  });
  const task = (partition: number): StartedTask =>
    ({
      running: {
        task: { partition },
        store: { close: async () => void closed.push(partition) },
        reader: { close: async () => undefined },
        checkpointing: undefined,
      },
    }) as unknown as StartedTask;
  return { openings, calls, closed, failed, task };
}

const partitionsOf = (started: readonly StartedTask[]): number[] => started.map(({ running }) => running.task.partition);

test("so many are opened at once; the others follow as these end, and one that waits to be tried again holds no place", async () => {
  const { openings, calls, task, failed } = harness(2);
  for (const partition of [0, 1, 2, 3]) openings.begin({ partition, dropLocal: false });
  await vi.waitFor(() => expect(calls.map(({ wish }) => wish.partition)).toEqual([0, 1]));
  calls[0]?.resolve(task(0));
  await vi.waitFor(() => expect(calls.map(({ wish }) => wish.partition)).toEqual([0, 1, 2]));
  calls[1]?.reject(new RepriseError("CHECKPOINT_FAILED", "away"));
  await vi.waitFor(() => expect(calls).toHaveLength(4));
  expect([failed, partitionsOf(openings.takeStarted()), openings.partitions]).toEqual([[[1, "away", false]], [0], [1, 2, 3]]);
  calls[2]?.resolve(task(2));
  await vi.waitFor(() => expect(calls.at(-1)?.wish).toEqual({ partition: 1, dropLocal: false }));
  await vi.waitFor(() => expect(partitionsOf(openings.takeStarted())).toEqual([2]));
});

test("a store that is found to be damaged is left out of the next try", async () => {
  const { openings, calls } = harness(2);
  openings.begin({ partition: 0, dropLocal: false });
  await vi.waitFor(() => expect(calls).toHaveLength(1));
  calls[0]?.reject(new RepriseError("STATE_CORRUPT", "a block has a wrong checksum"));
  await vi.waitFor(() => expect(calls[1]?.wish).toEqual({ partition: 0, dropLocal: true }));
});

test("one that was started and not taken over yet is closed when it is given up, and so is one that starts after it", async () => {
  const { openings, calls, task, closed } = harness(2);
  for (const partition of [0, 1]) openings.begin({ partition, dropLocal: false });
  await vi.waitFor(() => expect(calls).toHaveLength(2));
  calls[0]?.resolve(task(0));
  await vi.waitFor(() => expect(openings.partitions).toEqual([0, 1]));
  await Promise.resolve();
  const closing = openings.close();
  calls[1]?.resolve(task(1));
  await closing;
  expect([closed.toSorted((a, b) => a - b), openings.takeStarted(), openings.partitions]).toEqual([[0, 1], [], []]);
});

test("what concerns more than a task is the session's failure", async () => {
  const { openings, calls, failed } = harness(1);
  openings.begin({ partition: 0, dropLocal: false });
  await vi.waitFor(() => expect(calls).toHaveLength(1));
  calls[0]?.reject(new RepriseError("CONTROL_LOST", "cut short"));
  await vi.waitFor(() => expect(openings.failure).toMatchObject({ code: "CONTROL_LOST" }));
  expect(failed).toEqual([]);
});
