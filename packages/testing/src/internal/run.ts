import { type CompiledProcessor, type OutputRecord, type StoredRow, Task, type TaskMeta, newTaskMeta } from "@reprise/engine";
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

/** The state of a task as a run may begin with it. */
export interface RunBase {
  readonly rows: readonly StoredRow[];
  readonly meta: TaskMeta;
}

export const usualShape: RunShape = { batchRecords: 1000, columnRecords: 1000, maxCachedKeys: 100_000, batchesPerCommit: 1 };

/** Wall clock of a test: so late that no input holds another back. */
const nowMs = (): number => Number.MAX_SAFE_INTEGER;

/** The real engine's task over an in-memory log and store, committed without Kafka. */
export class Run {
  task: Task;
  readonly reader: MemoryLogReader;
  private readonly processor: CompiledProcessor;
  private readonly store = new MapStore();
  private readonly shape: RunShape;

  /** @param base what it begins with; default: nothing */
  constructor(processor: CompiledProcessor, log: MemoryLog, shape: RunShape, base?: RunBase) {
    this.processor = processor;
    this.shape = shape;
    this.reader = new MemoryLogReader(log, shape.columnRecords);
    if (base === undefined) this.task = this.open(newTaskMeta("test", 0, "live"), true);
    else {
      this.store.writeNow(base.rows);
      this.task = this.open(base.meta, false);
      this.task.restoreQueueNow(base.rows);
    }
  }

  /** What was committed: rows without the meta row. */
  get committed(): RunBase {
    return { rows: this.store.all(), meta: this.task.meta };
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

  /**
   * As `drain`, by the awaited reads that a worker does, and after every `batchesPerLife` batches with a new task on what the store holds.
   * @throws the task's failure
   */
  async drainWithRestarts(batchesPerLife: number): Promise<OutputRecord[]> {
    const outputs: OutputRecord[] = [];
    for (let batches = 1; (await this.task.step()) > 0; batches++) {
      const restarts = batches % batchesPerLife === 0;
      if (restarts || batches % this.shape.batchesPerCommit === 0) outputs.push(...this.commit());
      if (!restarts) continue;
      // As the meta row has it.
      this.task = this.open(JSON.parse(JSON.stringify(this.task.meta)) as TaskMeta, false);
      await this.task.restoreQueue();
    }
    outputs.push(...this.commit());
    if (this.task.failure !== undefined) throw this.task.failure;
    return outputs;
  }

  private open(meta: TaskMeta, storeIsEmpty: boolean): Task {
    const task = new Task({
      processor: this.processor,
      deployment: "test",
      partition: 0,
      store: this.store,
      reader: this.reader,
      meta,
      broadcasts: new Map(this.processor.inputs.flatMap(({ broadcast, topic }) => (broadcast ? [[topic, 1]] : []))),
      origins: new Map([...this.processor.sources.keys()].map((topic) => [topic, 1])),
      storeIsEmpty,
      hooks: { nowMs, log() {}, count() {} },
      maxCachedKeys: this.shape.maxCachedKeys,
      batchRecords: this.shape.batchRecords,
    });
    task.publishing = true;
    for (const cursor of task.cursors) this.reader.assign(cursor.partition, cursor.position);
    return task;
  }

  private commit(): OutputRecord[] {
    const { outputs } = this.task.prepare("live", this.task.meta.n + 1, 0);
    this.task.decided();
    this.store.writeNow(this.task.unsavedWrites());
    this.task.state.saved();
    return [...outputs];
  }
}
