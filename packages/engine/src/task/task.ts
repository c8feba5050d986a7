import { latin1 } from "../internal/latin1.ts";
import { RepriseError } from "@reprise/schema";
import type { CompiledProcessor, ErrorPolicy } from "../definition/compiled-processor.ts";
import type { TimerSlot } from "../definition/compiled-slot.ts";
import { gather, type GatherState } from "../order/gather.ts";
import { InputCursor } from "../order/input-cursor.ts";
import { RecordBatch } from "../order/record-batch.ts";
import { maxRecordBytes, OutputBuffer, type OutputRecord } from "../output/output-buffer.ts";
import type { LogReader, RecordColumns } from "../ports/log-reader.ts";
import type { RowWrite, StateStore } from "../ports/state-store.ts";
import { digestFromHex, digestToHex } from "../state/digest.ts";
import type { KeyEntry } from "../state/key-entry.ts";
import { RowBuffer } from "../state/row-buffer.ts";
import { metaRowKey, parseRowKey, slotRange } from "../state/row-key.ts";
import { TaskState } from "../state/task-state.ts";
import { joinId, splitId } from "../time/due-id.ts";
import { DueQueue } from "../time/due-queue.ts";
import { TaskClock } from "../time/task-clock.ts";
import type { DueWindow, KeyedWindow, WindowValues } from "../window/keyed-window.ts";
import { makeWindow } from "../window/make-window.ts";
import { Frame } from "./frame.ts";
import { HandlerContext } from "./handler-context.ts";
import { readHeaders } from "./record-headers.ts";
import { RejectSignal } from "./reject-signal.ts";
import { type FaultCount, silentHooks, type TaskCounters, type TaskHooks } from "./task-hooks.ts";
import { encodeMeta, finiteOrNull, orMinusInfinity, type TaskMeta } from "./task-meta.ts";

export interface TaskOptions {
  readonly processor: CompiledProcessor;
  readonly deployment: string;
  readonly partition: number;
  readonly store: StateStore;
  readonly reader: LogReader;
  /** What the store holds: its meta, or a fresh one with the position to start from. */
  readonly meta: TaskMeta;
  /** Nothing was ever written to the store: no key needs to be looked up there. */
  readonly storeIsEmpty: boolean;
  readonly hooks?: TaskHooks;
  readonly maxCachedKeys?: number;
  readonly batchRecords?: number;
  readonly maxIdleMs?: number;
}

/** One commit's worth of a task: valid until `decided`. */
export interface PreparedCommit {
  readonly meta: TaskMeta;
  /** Meta before the commit: the digest that a delta names as 'before'. */
  readonly before: TaskMeta;
  /** Encoded rows that changed (see RowBuffer). */
  readonly rows: Buffer;
  readonly rowCount: number;
  /** What is to be published, in order. */
  readonly outputs: readonly OutputRecord[];
}

/** Reason header of dead letters is cut at this length. */
const maxReasonLength = 1000;
/** Above what the headers of a dead letter take: a reason in UTF-8, topic names. */
const deadLetterHeaderBytes = 8192;

/**
 * The deterministic core: partition p of every input of one processor version, with its state. `step` takes the next records and runs handlers, timers
 * and windows synchronously; what they change is in the overlay until `prepare`, `decided` and `flush` take it through the commit. Nothing here
 * knows of transactions.
 */
export class Task {
  readonly partition: number;
  readonly cursors: readonly InputCursor[];
  readonly counters: TaskCounters = { records: 0, lateDropped: 0, lateDeadLettered: 0, lateHandled: 0, skipped: 0, deadLetters: 0 };
  /** The skipped and dead-lettered records of `counters`, one by one; few. */
  readonly faults: FaultCount[] = [];
  readonly state: TaskState;
  /** Outputs are kept for the commit; otherwise only their hash is. */
  publishing = false;
  /** Set when the task has stopped for good: it never processes again. */
  failure: RepriseError | undefined;
  /** The last decided commit. */
  meta: TaskMeta;
  private readonly options: TaskOptions;
  private readonly processor: CompiledProcessor;
  readonly clock: TaskClock;
  readonly queue = new DueQueue();
  private readonly outputs = new OutputBuffer();
  private readonly windows = new Map<string, KeyedWindow>();
  private readonly frame = new Frame();
  private readonly context: HandlerContext;
  private readonly batch: RecordBatch;
  private readonly merge: GatherState;
  private readonly rowBuffer = new RowBuffer();
  private readonly hooks: TaskHooks;
  /** Next offset to process, per input: behind the cursor while a batch is under way. */
  private readonly positions: number[];
  private prepared: PreparedCommit | undefined;
  /** How inputs stood before the batch that is under way. */
  private readonly before: { maxTimeMs: number[]; mergedTimeMs: number; lateMerged: number };

  constructor(options: TaskOptions) {
    const { processor, meta, reader } = options;
    this.options = options;
    this.processor = processor;
    this.partition = options.partition;
    this.hooks = options.hooks ?? silentHooks;
    this.meta = meta;
    this.clock = new TaskClock(processor.disorderMs);
    this.clock.streamTimeMs = orMinusInfinity(meta.streamTimeMs);
    this.merge = { mergedTimeMs: orMinusInfinity(meta.mergedTimeMs), lateMerged: 0 };
    this.before = { maxTimeMs: [], ...this.merge };
    this.state = new TaskState(
      {
        store: options.store,
        slots: processor.slotCodecs,
        decodeKey: (bytes) => processor.key.decode(bytes, 0, bytes.length),
        seed: options.partition,
        maxKeys: options.maxCachedKeys ?? 200_000,
      },
      options.storeIsEmpty,
    );
    this.state.digest.set(digestFromHex(meta.digest));
    this.outputs.digest.set(digestFromHex(meta.outputs));
    this.cursors = processor.inputs.map((input, index) => {
      const cursor = new InputCursor(
        index,
        input,
        { topic: input.topic, partition: options.partition },
        meta.position[input.topic] ?? 0,
        reader,
      );
      cursor.maxTimeMs = orMinusInfinity(meta.maxTimeMs[input.topic]);
      return cursor;
    });
    this.positions = this.cursors.map((c) => c.position);
    for (const slot of processor.slots) {
      if (slot.kind === "window") this.windows.set(slot.name, makeWindow(slot, this));
    }
    this.context = new HandlerContext({
      processor,
      frame: this.frame,
      state: this.state,
      queue: this.queue,
      outputs: this.outputs,
      windows: this.windows,
      hooks: this.hooks,
      onLate: (window, values, start, end) => this.onLate(window, values, start, end),
    });
    this.batch = new RecordBatch(options.batchRecords ?? 2048);
  }

  /** Fills the queue of what is due from the stored rows. Once, before the first step; its cost grows with open windows and timers. */
  async restoreQueue(): Promise<void> {
    if (this.options.storeIsEmpty) return;
    for (const slot of this.processor.slots) {
      if (slot.kind !== "window" && slot.kind !== "timer") continue;
      const codec = this.processor.slotCodecs[slot.slot];
      for await (const rows of this.options.store.scan(slotRange(slot.slot))) {
        for (const row of rows) {
          const { key, subkey } = parseRowKey(row.key);
          const id = latin1(key);
          const value = codec?.decode(Buffer.from(row.value));
          if (slot.kind === "timer")
            this.queue.add(value as number, slot.slot * 2, slot.id === undefined ? id : joinId(id, latin1(subkey)));
          else this.window(slot.name).restore(id, subkey, value);
        }
      }
    }
  }

  /** Next offset per input topic: everything below was processed. */
  get position(): { readonly [topic: string]: number } {
    return Object.fromEntries(this.cursors.map((c, i) => [c.input.topic, this.positions[i] as number]));
  }

  get streamTimeMs(): number {
    return this.clock.streamTimeMs;
  }

  get lateMerged(): number {
    return this.merge.lateMerged;
  }

  /** Outputs that wait for the commit, in bytes. */
  get outputBytes(): number {
    return this.outputs.bytes;
  }

  /** Something was processed, or the position moved, since the last prepared commit. */
  get hasProgress(): boolean {
    return this.cursors.some((c, i) => this.positions[i] !== this.meta.position[c.input.topic]) || this.state.changedRows > 0;
  }

  /**
   * Processes the next records, at most one batch; returns how many. Awaits at most one multi-get. A record whose handler fails under the policy
   * `fail` stops the task in front of it: `failure` is set, everything before it can be committed.
   */
  async step(): Promise<number> {
    const missing = this.nextBatch();
    if (missing.length > 0) await this.state.load(missing);
    return this.processBatch();
  }

  /** The same without awaiting: what is not cached is read synchronously. For the test driver. */
  stepNow(): number {
    for (const entry of this.nextBatch()) this.state.loadNow(entry);
    return this.processBatch();
  }

  /**
   * Moves stream time as a record of no key would, without a position: what is due fires. For the test driver's `timePasses`.
   * @param columns what the firing is caused by, as far as outputs and dead letters say it
   */
  advanceTime(timeMs: number, columns: RecordColumns): void {
    if (timeMs <= this.clock.streamTimeMs) return;
    const before = this.clock.streamTimeMs;
    Object.assign(this.frame, { columns, index: 0, input: 0, offset: columns.offsets[0], drawn: 0, streamTimeMs: timeMs });
    this.clock.streamTimeMs = timeMs;
    if (!this.fireDue()) this.failed(before);
    this.state.mark();
    this.outputs.settle(this.publishing);
  }

  private nextBatch(): KeyEntry[] {
    const { cursors, merge, before } = this;
    if (this.failure !== undefined) this.batch.size = 0;
    else {
      for (let k = 0; k < cursors.length; k++) before.maxTimeMs[k] = (cursors[k] as InputCursor).maxTimeMs;
      before.mergedTimeMs = merge.mergedTimeMs;
      before.lateMerged = merge.lateMerged;
      gather(cursors, this.batch, merge, this.options.maxIdleMs ?? 200, this.hooks.nowMs);
    }
    return this.lookUpEntries();
  }

  private lookUpEntries(): KeyEntry[] {
    const { batch, state } = this;
    const missing: KeyEntry[] = [];
    for (let i = 0; i < batch.size; i++) {
      if (batch.fault[i] !== undefined) {
        batch.entry[i] = undefined;
        continue;
      }
      const columns = batch.columns[i] as RecordColumns;
      const row = batch.row[i] as number;
      const start = columns.keyStarts[row] as number;
      try {
        const entry = state.entryAt(columns.bytes, start, columns.keyLengths[row] as number);
        batch.entry[i] = entry;
        if (!entry.loaded) missing.push(entry);
      } catch (error) {
        batch.entry[i] = undefined;
        batch.fault[i] = error;
      }
    }
    return missing;
  }

  private processBatch(): number {
    const { batch, positions } = this;
    for (let i = 0; i < batch.size; i++) {
      const input = batch.input[i] as number;
      const offset = (batch.columns[i] as RecordColumns).offsets[batch.row[i] as number] as number;
      if (!this.processRecord(i, input, offset)) {
        this.stopAt(i);
        return i;
      }
      positions[input] = offset + 1;
    }
    if (this.failure !== undefined) return 0;
    // Beyond what lies between the last record and the next: holes, markers, a cut.
    for (let i = 0; i < this.cursors.length; i++) positions[i] = (this.cursors[i] as InputCursor).position;
    this.counters.records += batch.size;
    return batch.size;
  }

  /**
   * The task failed at record `i` of the batch: positions are those of the first record of each input that was not processed, and the times
   * those of what was. The cursors have been further.
   */
  private stopAt(i: number): void {
    const { batch, positions, merge, before } = this;
    this.counters.records += i;
    merge.mergedTimeMs = before.mergedTimeMs;
    merge.lateMerged = before.lateMerged;
    for (let k = 0; k < this.cursors.length; k++) (this.cursors[k] as InputCursor).maxTimeMs = before.maxTimeMs[k] as number;
    for (let k = 0; k < i; k++) {
      const cursor = this.cursors[batch.input[k] as number] as InputCursor;
      cursor.maxTimeMs = Math.max(cursor.maxTimeMs, batch.timeMs[k] as number);
      if (this.cursors.length === 1) continue;
      if (cursor.maxTimeMs < merge.mergedTimeMs) merge.lateMerged++;
      else merge.mergedTimeMs = cursor.maxTimeMs;
    }
    for (let k = 0; k < positions.length; k++) positions[k] = (this.cursors[k] as InputCursor).position;
    for (let k = batch.size - 1; k >= i; k--)
      positions[batch.input[k] as number] = (batch.columns[k] as RecordColumns).offsets[batch.row[k] as number] as number;
  }

  private processRecord(i: number, input: number, offset: number): boolean {
    const { batch, frame, clock } = this;
    const timeMs = batch.timeMs[i] as number;
    const before = clock.streamTimeMs;
    frame.columns = batch.columns[i] as RecordColumns;
    frame.index = batch.row[i] as number;
    frame.input = input;
    frame.offset = offset;
    frame.drawn = 0;
    if (timeMs > before) {
      clock.streamTimeMs = timeMs;
      frame.streamTimeMs = timeMs;
      if (clock.watermarkMs >= this.queue.next && !this.fireDue()) return this.failed(before);
    } else frame.streamTimeMs = before;
    if (batch.fault[i] !== undefined) {
      if (!this.onFault(batch.fault[i], this.processor.onDecodeError, "RECORD_UNDECODABLE", "does not decode")) return this.failed(before);
    } else {
      frame.entry = batch.entry[i] as KeyEntry;
      frame.timestampMs = timeMs;
      if (
        !this.call(
          this.processor.inputs[input]?.handler as (v: unknown, ctx: unknown) => unknown,
          batch.value[i],
          `on.${this.processor.inputs[input]?.alias}`,
        )
      )
        return this.failed(before);
      if (clock.watermarkMs >= this.queue.next && !this.fireDue()) return this.failed(before);
    }
    batch.value[i] = undefined;
    this.state.mark();
    if (this.outputs.pending > 0) this.outputs.settle(this.publishing);
    return true;
  }

  /** The failing record must look as if it had never come: also what fired on its way. The queue has lost entries, but a failed task never goes on. */
  private failed(streamTimeBefore: number): false {
    this.clock.streamTimeMs = streamTimeBefore;
    this.state.undo();
    this.outputs.undo();
    return false;
  }

  /** Runs one handler; its effects are undone when it throws. False: the task has failed. */
  private call(handler: (argument: unknown, ctx: unknown) => unknown, argument: unknown, name: string): boolean {
    const { frame, state, outputs } = this;
    const stateBefore = state.savepoint;
    const outputsBefore = outputs.pending;
    frame.active = true;
    try {
      const returned = handler(argument, this.context);
      frame.active = false;
      if (returned !== undefined) this.refusePromise(returned, name);
    } catch (error) {
      frame.active = false;
      state.undo(stateBefore);
      outputs.undo(outputsBefore);
      if (error instanceof RejectSignal) return this.deadLetter(`rejected: ${error.message}`, "RECORD_REJECTED");
      // A promise is a mistake in the code, not in a record: no policy may hide it.
      const policy = RepriseError.is(error) && error.code === "ASYNC_HANDLER" ? "fail" : this.processor.onHandlerError;
      return this.onFault(
        error,
        policy,
        RepriseError.is(error) && error.code !== "SCHEMA_INVALID" ? error.code : "HANDLER_FAILED",
        `failed in ${name}`,
      );
    }
    return true;
  }

  private refusePromise(returned: unknown, name: string): void {
    if (typeof (returned as { then?: unknown } | null)?.then !== "function") return;
    (returned as Promise<unknown>).then(undefined, () => undefined);
    throw new RepriseError("ASYNC_HANDLER", `handler ${name} of ${this.processor.name} v${this.processor.version} returned a promise`);
  }

  private fireDue(): boolean {
    let ok = true;
    this.queue.fireUntil(this.clock.watermarkMs, (dueMs, dueSlot, id) => {
      if (ok) ok = this.fire(dueMs, dueSlot, id);
    });
    return ok;
  }

  private fire(dueMs: number, dueSlot: number, id: string): boolean {
    const slot = this.processor.slots[dueSlot >> 1];
    if (slot?.kind === "timer") return this.fireTimer(slot, dueMs, id);
    const window = this.window(slot?.name as string);
    const entry = this.state.entry(id);
    this.state.loadNow(entry);
    return window.fire(entry, dueMs, dueSlot & 1, (due) => this.emitWindow(window, entry, due));
  }

  private emitWindow({ slot }: KeyedWindow, entry: KeyEntry, due: DueWindow): boolean {
    if (slot.onWindow === undefined) return true;
    this.frame.entry = entry;
    this.frame.timestampMs = due.end;
    this.context.window = { start: due.start, end: due.end, final: due.final, revision: due.revision, previous: due.previous };
    return this.call(slot.onWindow, due.result, `onWindow.${slot.name}`);
  }

  /** A declared window; for views too. */
  window(name: string): KeyedWindow {
    return this.windows.get(name) as KeyedWindow;
  }

  private fireTimer(slot: TimerSlot, dueMs: number, id: string): boolean {
    const parts = slot.id === undefined ? { key: id, sub: "" } : splitId(id);
    const entry = this.state.entry(parts.key);
    this.state.loadNow(entry);
    const row = slot.id === undefined ? this.state.single(entry, slot.slot) : this.state.row(entry, slot.slot, parts.sub);
    if (row.value !== dueMs) {
      // It was moved further away: see TimerHandle.
      if (row.value !== undefined && (row.value as number) > dueMs) this.queue.add(row.value as number, slot.slot * 2, id);
      return true;
    }
    this.state.set(row, undefined);
    this.frame.entry = entry;
    this.frame.timestampMs = dueMs;
    const subkey = Buffer.from(parts.sub, "latin1");
    const timerId = slot.id === undefined ? undefined : slot.id.decode(subkey, 0, subkey.length);
    return this.call(slot.onTimer, { id: timerId, due: dueMs }, `onTimer.${slot.name}`);
  }

  private onLate(window: KeyedWindow, values: WindowValues, start: number, end: number): void {
    const { slot } = window;
    const { late } = slot.definition;
    if (late === "drop") this.counters.lateDropped++;
    else if (late === "dead-letter") {
      this.counters.lateDeadLettered++;
      this.addDeadLetter(`late for window ${slot.name} [${start}, ${end})`, "LATE");
    } else {
      this.counters.lateHandled++;
      const before = this.context.window;
      this.context.window = { start, end };
      this.refusePromise(slot.onLate?.(values, this.context), `onLate.${slot.name}`);
      this.context.window = before;
    }
  }

  /** What a policy does with a record that does not decode or whose handler threw. False: the task has failed. */
  private onFault(cause: unknown, policy: ErrorPolicy, code: RepriseError["code"], what: string): boolean {
    const reason = cause instanceof Error ? cause.message : String(cause);
    if (policy === "skip") {
      this.countFault(code, "skipped");
      return true;
    }
    if (policy === "dead-letter") return this.deadLetter(reason, code);
    const { name, version } = this.processor;
    const { topic, partition } = this.frame.columns;
    const { offset } = this.frame;
    this.failure = new RepriseError(code, `${name} v${version}: record ${topic}-${partition}@${offset} ${what}: ${reason}`, {
      cause,
      details: { processor: name, version, topic, partition, offset },
    });
    return false;
  }

  private countFault(code: string, how: "skipped" | "deadLetters"): void {
    const { topic } = this.frame.columns;
    this.counters[how]++;
    let count = this.faults.find((one) => one.topic === topic && one.code === code);
    if (count === undefined) this.faults.push((count = { topic, code, skipped: 0, deadLetters: 0 }));
    count[how]++;
  }

  private deadLetter(reason: string, code: string): true {
    this.addDeadLetter(reason, code);
    return true;
  }

  private addDeadLetter(reason: string, code: string): void {
    const { columns, index, offset, streamTimeMs } = this.frame;
    this.countFault(code, "deadLetters");
    // A message holds so much: of a record that fills one, the letter says where it stands.
    let left = maxRecordBytes - deadLetterHeaderBytes;
    const cut = (start: Int32Array, length: Int32Array): Buffer | null => {
      const n = length[index] as number;
      left -= n;
      return n < 0 || left < 0 ? null : Buffer.from(columns.bytes.subarray(start[index] as number, (start[index] as number) + n));
    };
    this.outputs.add({
      output: this.processor.outputs.length,
      key: cut(columns.keyStarts, columns.keyLengths) ?? Buffer.alloc(0),
      value: cut(columns.valueStarts, columns.valueLengths),
      timestampMs: Number.isFinite(streamTimeMs) ? streamTimeMs : (columns.timestamps[index] as number),
      causeInput: this.frame.input,
      causeOffset: offset,
      headers: [
        { key: "reprise-reason", value: reason.slice(0, maxReasonLength) },
        { key: "reprise-code", value: code },
        { key: "reprise-source", value: `${columns.topic}-${columns.partition}@${offset}` },
        // The record's own come after ours: nothing of it is lost.
        ...Object.entries(readHeaders(columns, index)).map(([key, value]) => ({ key, value })),
      ],
    });
  }

  /** Encodes what changed since the last commit as commit `n`. Nothing may be processed until `decided`. */
  prepare(mode: "building" | "live", n: number, deltaFrom: number): PreparedCommit {
    if (this.prepared !== undefined) throw new Error("a prepared commit is still undecided");
    this.rowBuffer.clear();
    const rows = this.state.prepare(this.rowBuffer);
    this.prepared = {
      before: this.meta,
      meta: {
        format: 1,
        deployment: this.options.deployment,
        partition: this.partition,
        mode,
        n,
        position: this.position,
        maxTimeMs: Object.fromEntries(this.cursors.map((c) => [c.input.topic, finiteOrNull(c.maxTimeMs)])),
        streamTimeMs: finiteOrNull(this.clock.streamTimeMs),
        mergedTimeMs: finiteOrNull(this.merge.mergedTimeMs),
        digest: digestToHex(this.state.digest),
        outputs: digestToHex(this.outputs.digest),
        deltaFrom,
      },
      rows: rows.bytes,
      rowCount: rows.count,
      outputs: this.outputs.take(),
    };
    return this.prepared;
  }

  /** The prepared commit was decided: queries see it from now on. (One that failed is not undone: the task is dropped and opened anew.) */
  decided(): void {
    if (this.prepared === undefined) throw new Error("nothing was prepared");
    this.state.fold();
    this.meta = this.prepared.meta;
    this.prepared = undefined;
    this.state.evict();
  }

  /** Writes all committed rows and the position to the local store in one atomic batch. @throws RepriseError DISK_FULL */
  async flush(): Promise<void> {
    await this.options.store.write(this.unsavedWrites());
    this.state.saved();
  }

  /** What `flush` writes; the caller writes it itself and calls `state.saved()`. For the test driver, which does not await. */
  unsavedWrites(): RowWrite[] {
    return [{ key: metaRowKey, value: encodeMeta(this.meta) }, ...this.state.unsavedWrites()];
  }

  get unsavedRows(): number {
    return this.state.unsavedCount;
  }
}
