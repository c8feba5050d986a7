import { type CompiledProcessor, type OutputRecord, Task, type TaskMeta } from "@reprise/engine";
import { columnsOf, type MemoryLog, MemoryLogReader } from "./memory-log.ts";
import { MapStore } from "./map-store.ts";

/** How a run works; results must not depend on it. */
export interface RunShape {
  readonly batchRecords: number;
  readonly columnRecords: number;
  readonly maxCachedKeys: number;
  /** Batches between two commits. */
  readonly batchesPerCommit: number;
}

export const usualShape: RunShape = { batchRecords: 1000, columnRecords: 1000, maxCachedKeys: 100_000, batchesPerCommit: 1 };

const noDigest = "0".repeat(32);
/** Wall clock of a test: so late that no input holds another back. */
const nowMs = (): number => Number.MAX_SAFE_INTEGER;

/** The real engine's task over an in-memory log and store, committed without Kafka. */
export class Run {
  readonly task: Task;
  readonly reader: MemoryLogReader;
  private readonly store = new MapStore();
  private readonly shape: RunShape;

  constructor(processor: CompiledProcessor, log: MemoryLog, shape: RunShape) {
    this.shape = shape;
    this.reader = new MemoryLogReader(log, shape.columnRecords);
    const meta: TaskMeta = {
      format: 1,
      deployment: "test",
      partition: 0,
      mode: "live",
      n: 0,
      position: {},
      maxTimeMs: {},
      streamTimeMs: null,
      mergedTimeMs: null,
      digest: noDigest,
      outputs: noDigest,
      deltaFrom: 0,
    };
    this.task = new Task({
      processor,
      deployment: "test",
      partition: 0,
      store: this.store,
      reader: this.reader,
      meta,
      storeIsEmpty: true,
      hooks: { nowMs, log() {}, count() {} },
      maxCachedKeys: shape.maxCachedKeys,
      batchRecords: shape.batchRecords,
    });
    this.task.publishing = true;
    for (const cursor of this.task.cursors) this.reader.assign(cursor.partition, cursor.position);
  }

  /** Processes everything visible; returns what was committed. @throws the task's failure, after what lies before it was committed */
  drain(): OutputRecord[] {
    const outputs: OutputRecord[] = [];
    let batches = 0;
    while (this.task.stepNow() > 0) if (++batches % this.shape.batchesPerCommit === 0) outputs.push(...this.commit());
    outputs.push(...this.commit());
    if (this.task.failure !== undefined) throw this.task.failure;
    return outputs;
  }

  passTime(toMs: number): OutputRecord[] {
    this.task.advanceTime(toMs, columnsOf("time", 0, [{ key: Buffer.alloc(0), value: null, timestampMs: toMs }]));
    return this.drain();
  }

  private commit(): OutputRecord[] {
    const { outputs } = this.task.prepare("live", this.task.meta.n + 1, 0);
    this.task.decided();
    this.store.writeNow(this.task.unsavedWrites());
    this.task.state.saved();
    return [...outputs];
  }
}
