import type { Interrupted } from "../internal/stopped.ts";
import { Task } from "../task/task.ts";
import { openTaskStore } from "./open-task.ts";
import { folderOf } from "./restore-checkpoint.ts";
import type { RunningTask } from "./running-task.ts";
import type { SessionOptions } from "./session-options.ts";
import { TaskReader } from "./task-reader.ts";

/** Which task is to be opened, and how. */
export interface OpeningWish {
  readonly partition: number;
  /** Its local store turned out to be damaged: it is no base. */
  readonly dropLocal: boolean;
}

/** A task that could run, and does not read yet. */
export interface StartedTask {
  readonly running: RunningTask;
  /** For people: from which base, with how many deltas. */
  readonly how: string;
  readonly durationMs: number;
}

/** Opens a task's store and makes the task that runs on it. What it has opened is closed again when it fails. */
export async function startTask(options: SessionOptions, wish: OpeningWish, interrupted: Interrupted): Promise<StartedTask> {
  const started = options.clock.elapsedMs();
  if (wish.dropLocal) await options.stateEngine.destroy(folderOf(options, wish.partition));
  const opened = await openTaskStore(options, wish.partition, interrupted);
  let reader: TaskReader | undefined;
  try {
    const broadcasts = options.spec.broadcasts ?? [];
    reader = new TaskReader(
      options.reader,
      broadcasts.length === 0 ? undefined : await options.openReader(),
      broadcasts.map(({ topic }) => topic),
    );
    const task = new Task({
      processor: options.processor,
      deployment: options.spec.id,
      partition: wish.partition,
      store: opened.store,
      reader,
      origins: new Map((options.spec.routes ?? []).map(({ topic, source }) => [topic, source.partitions])),
      broadcasts: new Map(broadcasts.map(({ topic, partitions }) => [topic, partitions])),
      meta: opened.meta,
      storeIsEmpty: opened.storeIsEmpty,
      hooks: options.hooks,
      maxCachedKeys: options.limits.maxCachedKeysPerTask,
      maxCachedBytes: options.limits.maxCachedBytesPerTask,
      longestStepMs: options.limits.longestStepMs,
      maxHeldRecords: options.limits.maxHeldRecordsPerTask,
      batchRecords: options.limits.batchRecords,
    });
    await task.restoreQueue(interrupted);
    const now = options.clock.elapsedMs();
    const running: RunningTask = {
      task,
      store: opened.store,
      reader,
      lastFlushMs: now,
      lastCheckpointMs: now,
      lastTruncationMs: now,
      verified: new Set(),
      checkpointing: undefined,
      base: undefined,
      corrupt: undefined,
      closing: false,
      reported: false,
      lost: false,
      committed: opened.recorded,
    };
    return { running, how: opened.how, durationMs: now - started };
  } catch (error) {
    await opened.store.close().catch(() => undefined);
    await reader?.close().catch(() => undefined);
    throw error;
  }
}

/** Closes what a started task has open. A checkpoint of it that is under way is given up with its scan. */
export async function closeTask(running: RunningTask): Promise<void> {
  running.closing = true;
  running.giveUpCheckpoint?.abort();
  await running.store.close();
  await running.reader.close();
  await running.checkpointing;
}
