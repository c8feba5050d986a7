import { failpoint } from "../internal/failpoint.ts";
import { latin1 } from "../internal/latin1.ts";
import { type Interrupted, notInterrupted, Stopped } from "../internal/stopped.ts";
import { ignore } from "@reprise/processor";
import { RepriseError } from "@reprise/schema";
import type { CompiledInput, CompiledProcessor, ErrorPolicy } from "../definition/compiled-processor.ts";
import type { CompiledSlot, TimerSlot } from "../definition/compiled-slot.ts";
import type { TypedEvent } from "../definition/event-codec.ts";
import { gather, type GatherState } from "../order/gather.ts";
import { InputCursor } from "../order/input-cursor.ts";
import { RecordBatch } from "../order/record-batch.ts";
import { defaultMaxHeldRecords, TimeOrder } from "../order/time-order.ts";
import { maxRecordBytes, OutputBuffer, type OutputRecord } from "../output/output-buffer.ts";
import type { LogReader, RecordColumns } from "../ports/log-reader.ts";
import type { RowWrite, StateStore, StoredRow } from "../ports/state-store.ts";
import { digestFromHex, digestToHex } from "../state/digest.ts";
import type { KeyEntry } from "../state/key-entry.ts";
import { RowBuffer } from "../state/row-buffer.ts";
import { metaRowKey, parseRowKey, slotRange } from "../state/row-key.ts";
import { TaskState } from "../state/task-state.ts";
import { joinId, splitId } from "../time/due-id.ts";
import { DueQueue } from "../time/due-queue.ts";
import { Expiry } from "../time/expiry.ts";
import { expiryRestorer, removeExpired } from "../time/remove-expired.ts";
import { RoutingFault, sourceHeaders } from "../route/origin-stamp.ts";
import { nameOfPlace, placeOf, type RecordPlace } from "../route/record-place.ts";
import { ReferenceTable } from "../table/reference-table.ts";
import type { TableVersions } from "../table/table-versions.ts";
import { TaskClock } from "../time/task-clock.ts";
import { ChangeList } from "../window/change-list.ts";
import type { DueWindow, EmittingWindow, EmitWindow, KeyedWindow, WindowFault, WindowValues } from "../window/keyed-window.ts";
import { countsBackMs } from "../window/lateness.ts";
import { makeWindow } from "../window/make-window.ts";
import { BatchPace } from "./batch-pace.ts";
import { Frame } from "./frame.ts";
import { HandlerContext } from "./handler-context.ts";
import { readHeaders } from "./record-headers.ts";
import { RejectSignal } from "./reject-signal.ts";
import { type FaultCount, type LateCount, noCounts, silentHooks, type TaskCounters, type TaskHooks } from "./task-hooks.ts";
import { encodeMeta, finiteOrNull, orMinusInfinity, type TaskMeta } from "./task-meta.ts";

export interface TaskOptions {
  readonly processor: CompiledProcessor;
  readonly deployment: string;
  readonly partition: number;
  readonly store: StateStore;
  readonly reader: LogReader;
  /** What the store holds: its meta, or a fresh one with the position to start from. */
  readonly meta: TaskMeta;
  /** Partitions of the broadcast tables, by topic. */
  readonly broadcasts?: ReadonlyMap<string, number>;
  /** Partitions of the sources of rekeyed inputs, by internal topic. */
  readonly origins?: ReadonlyMap<string, number>;
  /** Nothing was ever written to the store: no key needs to be looked up there. */
  readonly storeIsEmpty: boolean;
  readonly hooks?: TaskHooks;
  readonly maxCachedKeys?: number;
  /** Of rows as they are stored; default 64 MiB. */
  readonly maxCachedBytes?: number;
  readonly batchRecords?: number;
  /** Steps take fewer records where these would take longer. Default: they take `batchRecords`. */
  readonly longestStepMs?: number;
  readonly maxIdleMs?: number;
  /**
   * Records that may wait for their time with `order: "event-time"`; default 1,000,000. Results depend on it when it is reached, so that it has to stay
   * the same for all of a deployment.
   */
  readonly maxHeldRecords?: number;
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
  /** Whether the task published when the commit was prepared. */
  readonly publishing: boolean;
  /** State time at its position: see `committedStateTimeMs`. */
  readonly stateTimeMs: number;
}

/** Reason header of dead letters is cut at this length. */
const maxReasonLength = 1000;
/** Far more than windows that feed each other in a row need. */
const maxChangeRounds = 1000;
/** So many pairs and windows that pairs and windows of one record have caused are a sign of ever more. */
const maxCausedChanges = 300_000;
/** Above what the headers of a dead letter take: a reason in UTF-8, topic names. */
const deadLetterHeaderBytes = 8192;

/**
 * The deterministic core: partition p of every input of one processor version, with its state. `step` takes the next records and runs handlers, timers
 * and windows synchronously; what they change is in the overlay until `prepare`, `decided` and `flush` take it through the commit. Nothing here
 * knows of transactions.
 */
export class Task {
  readonly partition: number;
  /** One per input, in their order; then one per partition of each broadcast table. */
  readonly cursors: readonly InputCursor[];
  /** The same, as ties are decided: what a table holds at a time, a record of that time sees. */
  private readonly mergeOrder: readonly InputCursor[];
  readonly counters: TaskCounters = noCounts();
  /** The skipped and dead-lettered records of `counters`, one by one; few. */
  readonly faults: FaultCount[] = [];
  /** The late contributions of `counters`, by window. */
  readonly late: LateCount[] = [];
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
  /** Windows to emit when the handler that runs has returned. */
  readonly changes = new ChangeList();
  private emittingChanges = false;
  /** What state with a time to live waits for, by the clock's state time. */
  private readonly expiring = new DueQueue();
  /** By slot; undefined for what lives for ever. */
  readonly expiries: readonly (Expiry | undefined)[];
  /** State time at the last decided commit: what queries expire by, epoch ms. */
  committedStateTimeMs = Number.NEGATIVE_INFINITY;
  private readonly outputs = new OutputBuffer();
  private readonly windows = new Map<string, EmittingWindow>();
  /** By cursor: what its records are applied to; undefined for inputs. */
  private readonly tables: readonly (ReferenceTable | undefined)[];
  private readonly tablesBySlot: ReadonlyMap<CompiledSlot, ReferenceTable>;
  /** What most processors don't have costs their records nothing. */
  private readonly hasTables: boolean;
  private readonly hasWatermarks: boolean;
  private readonly expires: boolean;
  private readonly frame = new Frame();
  private readonly context: HandlerContext;
  private readonly batch: RecordBatch;
  private readonly pace: BatchPace;
  private readonly merge: GatherState;
  /** With `order: "event-time"`. */
  private readonly timeOrder: TimeOrder | undefined;
  private readonly rowBuffer = new RowBuffer();
  private readonly hooks: TaskHooks;
  /** Next offset to process, per input: behind the cursor while a batch is under way. */
  private readonly positions: number[];
  private prepared: PreparedCommit | undefined;
  /** `lateMerged` at the last commit. */
  private lateMergedBefore = 0;
  /** How inputs stood before the batch that is under way. */
  private readonly before: { maxTimeMs: number[]; mergedTimeMs: number; lateMerged: number };

  constructor(options: TaskOptions) {
    const { processor, meta } = options;
    this.options = options;
    this.processor = processor;
    this.partition = options.partition;
    this.hooks = options.hooks ?? silentHooks;
    this.meta = meta;
    this.clock = new TaskClock(processor.disorderMs, processor.heldSlot !== undefined);
    this.clock.streamTimeMs = orMinusInfinity(meta.streamTimeMs);
    this.clock.watermarkMs = meta.watermarkMs ?? this.clock.streamTimeMs - processor.disorderMs;
    this.clock.settledMs = this.clock.watermarkMs;
    this.merge = { mergedTimeMs: orMinusInfinity(meta.mergedTimeMs), lateMerged: 0, exhausted: false };
    this.before = { maxTimeMs: [], mergedTimeMs: this.merge.mergedTimeMs, lateMerged: 0 };
    this.state = new TaskState(
      {
        store: options.store,
        slots: processor.slotCodecs,
        decodeKey: (bytes) => processor.key.decode(bytes, 0, bytes.length),
        seed: options.partition,
        maxKeys: options.maxCachedKeys ?? 200_000,
        maxBytes: options.maxCachedBytes ?? 64 * 1024 * 1024,
      },
      options.storeIsEmpty,
    );
    this.state.digest.set(digestFromHex(meta.digest));
    this.outputs.digest.set(digestFromHex(meta.outputs));
    this.cursors = cursorsOf(options);
    this.mergeOrder = [...this.cursors].sort((a, b) => mergeRank(a) - mergeRank(b));
    this.positions = this.cursors.map((c) => c.position);
    const backMs = longestBackMs(processor);
    const tables = new Map(
      processor.slots.flatMap((slot) => (slot.kind === "table" ? [[slot as CompiledSlot, new ReferenceTable(slot, this, backMs)]] : [])),
    );
    this.tablesBySlot = tables;
    this.tables = this.cursors.map(({ input }) => (input.table === undefined ? undefined : tables.get(input.table)));
    this.hasTables = tables.size > 0;
    this.hasWatermarks = processor.inputs.some(({ watermark }) => watermark !== undefined);
    this.expires = processor.slots.some((slot) => "ttlMs" in slot && slot.ttlMs !== undefined);
    this.clock.stateAtRecord();
    this.committedStateTimeMs = this.clock.stateTimeMs;
    this.expiries = processor.slots.map((slot) =>
      "ttlMs" in slot && slot.ttlMs !== undefined ? new Expiry(slot.slot, slot.ttlMs, this.clock, this.expiring) : undefined,
    );
    for (const slot of processor.slots) {
      if (slot.kind === "window") this.windows.set(slot.name, makeWindow(slot, this));
    }
    this.context = new HandlerContext({
      processor,
      frame: this.frame,
      state: this.state,
      queue: this.queue,
      expiries: this.expiries,
      outputs: this.outputs,
      windows: this.windows,
      tables: [...tables.values()],
      hooks: this.hooks,
      late: {
        handle: (window, values, start, end) => this.handleLate(window, values, start, end),
        count: (window, timeMs, windows, start, end) => this.countLate(window, timeMs, windows, start, end),
        unknown: () => void this.counters.itemsUnknown++,
      },
    });
    this.batch = new RecordBatch(options.batchRecords ?? 2048);
    this.pace = new BatchPace(this.batch.capacity, options.longestStepMs ?? Number.POSITIVE_INFINITY);
    this.timeOrder = processor.heldSlot === undefined ? undefined : this.makeTimeOrder(processor.heldSlot);
  }

  private makeTimeOrder(slot: number): TimeOrder {
    const { processor, options, partition, state, clock, queue, frame, counters } = this;
    const maxHeldRecords = options.maxHeldRecords ?? defaultMaxHeldRecords;
    return new TimeOrder({
      ...{ partition, inputs: processor.inputs, slot, maxHeldRecords, state, clock, queue, frame, counters },
      fire: (dueMs, dueSlot, id) => this.fire(dueMs, dueSlot, id),
      handle: (input, value) => {
        this.expire();
        return this.handle(input, value);
      },
      undecodable: (error) => this.onUndecodable(error),
      overflowed: (timeMs) =>
        this.hooks.log("warn", "more records are held than may be: the earliest are taken before their time", {
          partition,
          maxHeldRecords,
          timeMs,
        }),
    });
  }

  /**
   * Fills the queue of what is due from the stored rows. Once, before the first step; its cost grows with open windows and timers. Throws `Stopped` when
   * `interrupted` says so on the way.
   */
  async restoreQueue(interrupted: Interrupted = notInterrupted): Promise<void> {
    if (this.options.storeIsEmpty) return;
    for (const slot of this.processor.slotCodecs.keys()) {
      const restore = this.restorerOf(slot);
      if (restore === undefined) continue;
      for await (const rows of this.options.store.scan(slotRange(slot))) {
        if (interrupted()) throw new Stopped();
        for (const row of rows) restore(row);
      }
    }
  }

  /** The same without awaiting, from all rows in their order. For the test driver. */
  restoreQueueNow(rows: Iterable<StoredRow>): void {
    const restorers = [...this.processor.slotCodecs.keys()].map((slot) => this.restorerOf(slot));
    for (const row of rows) restorers[parseRowKey(row.key).slot]?.(row);
  }

  /** What is done with the rows of a slot, in their order; undefined: nothing. */
  private restorerOf(index: number): ((row: StoredRow) => void) | undefined {
    const slot = this.processor.slots[index];
    const expiry = this.expiries[index];
    if (index === this.processor.heldSlot) {
      return (row) => {
        const { key, subkey } = parseRowKey(row.key);
        this.timeOrder?.restore(latin1(key), subkey);
      };
    }
    if (slot !== undefined && expiry !== undefined) return expiryRestorer(slot, expiry);
    if (slot?.kind !== "window" && slot?.kind !== "timer" && slot?.kind !== "table") return undefined;
    const codec = this.processor.slotCodecs[index];
    return (row) => {
      const { key, subkey } = parseRowKey(row.key);
      const id = latin1(key);
      const value = codec?.decode(Buffer.from(row.value));
      if (slot.kind === "timer") this.queue.add(value as number, slot.slot * 2, slot.id === undefined ? id : joinId(id, latin1(subkey)));
      else if (slot.kind === "table") this.tablesBySlot.get(slot)?.restore(id, value as TableVersions);
      else (this.windows.get(slot.name) as EmittingWindow).restore(id, subkey, value);
    };
  }

  /** Next offset per partition, by the cursors' names: everything below was processed. */
  get position(): { readonly [topic: string]: number } {
    return Object.fromEntries(this.cursors.map((c, i) => [c.name, this.positions[i] as number]));
  }

  get streamTimeMs(): number {
    return this.clock.streamTimeMs;
  }

  /** What waits for its time with `order: "event-time"`. */
  get heldRecords(): number {
    return this.timeOrder?.heldRecords ?? 0;
  }

  get lateMerged(): number {
    return this.merge.lateMerged;
  }

  /** Its last step took everything that could be taken: what it has left waits, for a fraction of a second, for what other inputs may bring. */
  get upToDate(): boolean {
    return this.merge.exhausted;
  }

  /** Outputs that wait for the commit, in bytes. */
  get outputBytes(): number {
    return this.outputs.bytes;
  }

  /** Something was processed, or the position moved, since the last prepared commit. */
  get hasProgress(): boolean {
    const { position } = (this.prepared ?? this).meta;
    return this.cursors.some((c, i) => this.positions[i] !== position[c.name]) || this.state.changedRows > 0;
  }

  /** A commit of it is on its way. */
  get isCommitting(): boolean {
    return this.prepared !== undefined;
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
    this.begin(columns, 0, 0, columns.offsets[0] as number);
    const targetMs = this.clock.move(timeMs);
    if (!(this.timeOrder === undefined ? this.moveTo(targetMs) : this.timeOrder.moveTo(targetMs))) this.failed();
    else if (this.timeOrder !== undefined) this.expire();
    this.state.mark();
    this.outputs.settle(this.publishing);
  }

  private nextBatch(): KeyEntry[] {
    const { cursors, merge, before } = this;
    this.batch.limit = this.pace.records;
    if (this.failure !== undefined) this.batch.clear();
    else {
      for (let k = 0; k < cursors.length; k++) {
        before.maxTimeMs[k] = (cursors[k] as InputCursor).maxTimeMs;
        (cursors[k] as InputCursor).origins?.keep();
      }
      before.mergedTimeMs = merge.mergedTimeMs;
      before.lateMerged = merge.lateMerged;
      gather(this.mergeOrder, this.batch, merge, this.options.maxIdleMs ?? 200, this.hooks.nowMs);
    }
    return this.lookUpEntries();
  }

  private lookUpEntries(): KeyEntry[] {
    const { batch, state, tables, hasTables } = this;
    const missing: KeyEntry[] = [];
    for (let i = 0; i < batch.size; i++) {
      if (batch.fault[i] !== undefined || batch.value[i] === ignore) {
        batch.entry[i] = undefined;
        continue;
      }
      const columns = batch.columns[i] as RecordColumns;
      const row = batch.row[i] as number;
      const start = columns.keyStarts[row] as number;
      try {
        const length = columns.keyLengths[row] as number;
        const table = hasTables ? tables[batch.input[i] as number] : undefined;
        const entry = table === undefined ? state.entryAt(columns.bytes, start, length) : table.entryAt(columns.bytes, start, length);
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
    const begunMs = this.hooks.nowMs();
    const records = this.processRecords();
    this.pace.took(records, this.hooks.nowMs() - begunMs);
    return records;
  }

  private processRecords(): number {
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
    for (let k = 0; k < this.cursors.length; k++) {
      (this.cursors[k] as InputCursor).maxTimeMs = before.maxTimeMs[k] as number;
      (this.cursors[k] as InputCursor).origins?.goBack();
    }
    for (let k = 0; k < i; k++) {
      const cursor = this.cursors[batch.input[k] as number] as InputCursor;
      cursor.retake(batch.columns[k] as RecordColumns, batch.row[k] as number, batch.clockMs[k] as number);
      if (this.cursors.length === 1 || cursor.input.table?.asOf === "latest") continue;
      if (cursor.maxTimeMs < merge.mergedTimeMs) merge.lateMerged++;
      else merge.mergedTimeMs = cursor.maxTimeMs;
    }
    for (let k = 0; k < positions.length; k++) positions[k] = (this.cursors[k] as InputCursor).position;
    for (let k = batch.size - 1; k >= i; k--)
      positions[batch.input[k] as number] = (batch.columns[k] as RecordColumns).offsets[batch.row[k] as number] as number;
  }

  private processRecord(i: number, input: number, offset: number): boolean {
    const { batch, clock } = this;
    this.begin(batch.columns[i] as RecordColumns, batch.row[i] as number, input, offset);
    if (this.hasTables) {
      const table = this.tables[input];
      if (table !== undefined) return this.applyToTable(table, i);
    }
    let targetMs = clock.move(batch.clockMs[i] as number);
    if (this.hasWatermarks) {
      const saidMs = batch.watermarkMs[i] as number;
      if (saidMs > targetMs) targetMs = saidMs;
      else if (saidMs < clock.watermarkMs) this.counters.watermarkIgnored++;
    }
    if (!(this.timeOrder === undefined ? this.inLogOrder(i, targetMs) : this.inTimeOrder(this.timeOrder, i, targetMs)))
      return this.failed();
    batch.value[i] = undefined;
    this.state.mark();
    if (this.outputs.pending > 0) this.outputs.settle(this.publishing);
    return true;
  }

  /** Reference data moves no time, so that nothing fires because of it: where a broadcast table is read is not part of a cut. */
  private applyToTable(table: ReferenceTable, i: number): boolean {
    const { batch, frame, clock } = this;
    const fault = batch.fault[i];
    frame.outputTimeMs = clock.streamTimeMs;
    if (fault !== undefined) {
      // Every task sees the records of a broadcast table; one of them says so.
      if (table.slot.broadcast && this.partition !== 0 && this.processor.onDecodeError !== "fail") return true;
      if (!this.onUndecodable(fault)) return this.failed();
    } else table.apply(batch.entry[i] as KeyEntry, batch.value[i], batch.timeMs[i] as number);
    batch.value[i] = undefined;
    this.state.mark();
    if (this.outputs.pending > 0) this.outputs.settle(this.publishing);
    return true;
  }

  /** From here on everything is caused by this record, until the next; `failed` goes back to here. */
  private begin(columns: RecordColumns, index: number, input: number, offset: number): void {
    const { frame } = this;
    frame.columns = columns;
    frame.index = index;
    frame.offset = offset;
    frame.causeColumns = columns;
    frame.causeIndex = index;
    frame.causeInput = input;
    frame.causeOffset = offset;
    frame.drawn = 0;
    this.clock.keep();
  }

  private inLogOrder(i: number, targetMs: number): boolean {
    const { batch, frame, clock } = this;
    if (!this.moveTo(targetMs)) return false;
    const fault = batch.fault[i];
    if (fault !== undefined) return this.onUndecodable(fault);
    const value = batch.value[i];
    if (value === ignore) return true;
    frame.entry = batch.entry[i] as KeyEntry;
    frame.timestampMs = batch.timeMs[i] as number;
    if (frame.timestampMs > clock.streamTimeMs) return this.handleAhead(batch.input[i] as number, value);
    if (!this.handle(batch.input[i] as number, value)) return false;
    return clock.watermarkMs < this.queue.next || this.fireDue();
  }

  /**
   * A record of a rekeyed input whose origin is ahead of others: stream time waits for those. To its handler it is as late as the record says, so
   * that what it writes and sends is of its own time; after it, of stream time again.
   */
  private handleAhead(input: number, value: unknown): boolean {
    const { clock, frame } = this;
    frame.outputTimeMs = frame.timestampMs;
    clock.stateTimeMs = frame.timestampMs;
    const ok = this.handle(input, value);
    clock.stateAtRecord();
    frame.outputTimeMs = clock.streamTimeMs;
    return ok && (clock.watermarkMs < this.queue.next || this.fireDue());
  }

  private inTimeOrder(order: TimeOrder, i: number, targetMs: number): boolean {
    if (!order.take(this.batch, i, targetMs)) return false;
    this.expire();
    return true;
  }

  /** Moves the watermark; what is due fires at stream time. */
  private moveTo(targetMs: number): boolean {
    const { clock } = this;
    this.frame.outputTimeMs = clock.streamTimeMs;
    clock.watermarkMs = targetMs;
    if (targetMs >= this.queue.next && !this.fireDue()) return false;
    clock.settledMs = targetMs;
    this.expire();
    return true;
  }

  private handle(index: number, value: unknown): boolean {
    const input = this.processor.inputs[index] as CompiledInput;
    const name = input.events === undefined ? input.handlerName : `${input.handlerName}.${(value as TypedEvent).type}`;
    return this.call(input.handler, value, name);
  }

  private onUndecodable(error: unknown): boolean {
    if (error instanceof RoutingFault) return this.onFault(error, this.processor.onHandlerError, "HANDLER_FAILED", "could not be rekeyed");
    return this.onFault(error, this.processor.onDecodeError, "RECORD_UNDECODABLE", "does not decode");
  }

  /** The failing record must look as if it had never come: also what fired on its way. The queue has lost entries, but a failed task never goes on. */
  private failed(): false {
    this.clock.goBack();
    this.state.undo();
    this.outputs.undo();
    return false;
  }

  /** Runs one handler; its effects are undone when it throws. False: the task has failed. */
  private call(handler: (argument: unknown, ctx: unknown) => unknown, argument: unknown, name: string): boolean {
    const { frame, state, outputs } = this;
    const stateBefore = state.savepoint;
    const outputsBefore = outputs.pending;
    const changesBefore = this.changes.size;
    frame.active = true;
    try {
      const returned = handler(argument, this.context);
      frame.active = false;
      if (returned !== undefined) this.refusePromise(returned, name);
    } catch (error) {
      frame.active = false;
      state.undo(stateBefore);
      outputs.undo(outputsBefore);
      this.changes.undo(changesBefore);
      if (error instanceof RejectSignal) return this.deadLetter(`rejected: ${error.message}`, "RECORD_REJECTED");
      return this.onThrown(error, name);
    }
    return this.changes.size === 0 || this.emittingChanges || this.emitChanges(name);
  }

  /** What the policy does when users' code threw. */
  private onThrown(error: unknown, name: string): boolean {
    // A promise is a mistake in the code, not in a record: no policy may hide it.
    const policy = RepriseError.is(error) && error.code === "ASYNC_HANDLER" ? "fail" : this.processor.onHandlerError;
    const code = RepriseError.is(error) && error.code !== "SCHEMA_INVALID" ? error.code : "HANDLER_FAILED";
    return this.onFault(error, policy, code, `failed in ${name}`);
  }

  /** Emits what the handler `name` changed, then what the handlers of that changed, until nothing is left. False: the task has failed. */
  private emitChanges(name: string): boolean {
    const { changes } = this;
    this.emittingChanges = true;
    let ok = true;
    let caused = 0;
    for (let round = 0; ok && changes.size > 0; round++) {
      if (round === maxChangeRounds) ok = this.endlessChanges(name, round);
      for (const change of changes.take()) {
        const emit: EmitWindow = (due) => this.emitWindow(change.window, change.entry, due);
        if (round > 0) caused++;
        ok &&= change.given === undefined ? this.emitChange(change.window, change.entry, change.start, emit) : emit(change.given);
        if (ok && caused + changes.size > maxCausedChanges) ok = this.endlessChanges(name, caused + changes.size);
      }
    }
    this.emittingChanges = false;
    return ok;
  }

  private endlessChanges(name: string, times: number): boolean {
    const endless = new Error(`windows that are emitted when they change, or pairs of joins, have changed each other ${times} times`);
    return this.onFault(endless, "fail", "HANDLER_FAILED", `does not come to an end after ${name}`);
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

  /** State is as old as at the handler of a record from now on; what nobody wrote for its time to live goes. */
  private expire(): void {
    const { clock, expiring } = this;
    if (!this.expires) return;
    clock.stateAtRecord();
    if (clock.stateTimeMs < expiring.next) return;
    expiring.fireUntil(clock.stateTimeMs, (dueMs, slot, id) =>
      removeExpired(this.processor.slots[slot] as CompiledSlot, this.expiries[slot] as Expiry, this.state, dueMs, id),
    );
  }

  private fire(dueMs: number, dueSlot: number, id: string): boolean {
    const slot = this.processor.slots[dueSlot >> 1];
    if (slot?.kind === "table") {
      this.tablesBySlot.get(slot)?.prune(id, dueMs);
      return true;
    }
    this.clock.stateAtDue(dueMs);
    if (slot?.kind === "timer") return this.fireTimer(slot, dueMs, id);
    const window = this.windows.get(slot?.name as string) as EmittingWindow;
    const entry = this.state.entry(id);
    this.state.loadNow(entry);
    try {
      return window.fire(entry, dueMs, dueSlot & 1, (due) => this.emitWindow(window, entry, due));
    } catch (error) {
      return this.onUnmade(error);
    }
  }

  private emitChange(window: KeyedWindow, entry: KeyEntry, start: number, emit: EmitWindow): boolean {
    try {
      return window.emitChange(entry, start, emit);
    } catch (error) {
      return this.onUnmade(error);
    }
  }

  /** A window that can't be made anew from its items stops the task, whatever the policy: no record is to blame, and leaving it out would be a gap. */
  private onUnmade(error: unknown): boolean {
    if (!RepriseError.is(error) || error.code !== "HANDLER_FAILED") throw error;
    return this.onFault(error, "fail", "HANDLER_FAILED", "failed");
  }

  private emitWindow({ slot }: EmittingWindow, entry: KeyEntry, due: DueWindow | WindowFault): boolean {
    if (slot.onWindow === undefined) return true;
    this.frame.entry = entry;
    if ("fault" in due) return this.onThrown(due.fault, `onWindow.${slot.name}`);
    this.frame.timestampMs = slot.definition.type === "global" ? this.frame.outputTimeMs : (due.timestampMs ?? due.end);
    this.context.window = { start: due.start, end: due.end, final: due.final, revision: due.revision, previous: due.previous };
    return this.call(slot.onWindow, due.result, `onWindow.${slot.name}`);
  }

  /** Of the last decided commit, epoch ms: what queries of windows go by. */
  get committedWatermarkMs(): number {
    const { watermarkMs, streamTimeMs } = this.meta;
    return watermarkMs ?? orMinusInfinity(streamTimeMs) - this.processor.disorderMs;
  }

  /** A declared window that aggregates; for views too. */
  window(name: string): KeyedWindow {
    return this.windows.get(name) as KeyedWindow;
  }

  private fireTimer(slot: TimerSlot, dueMs: number, id: string): boolean {
    const parts = slot.id === undefined ? { key: id, sub: "" } : splitId(id);
    const entry = this.state.entry(parts.key);
    this.state.loadNow(entry);
    const row = slot.id === undefined ? this.state.single(entry, slot.slot) : this.state.row(entry, slot.slot, parts.sub);
    row.armedMs = undefined;
    if (row.value !== dueMs) {
      // It was moved further away: see TimerHandle.
      if (row.value !== undefined && (row.value as number) > dueMs) {
        row.armedMs = row.value as number;
        this.queue.add(row.armedMs, slot.slot * 2, id);
      }
      return true;
    }
    this.state.set(row, undefined);
    this.frame.entry = entry;
    this.frame.timestampMs = dueMs;
    const subkey = Buffer.from(parts.sub, "latin1");
    const timerId = slot.id === undefined ? undefined : slot.id.decode(subkey, 0, subkey.length);
    return this.call(slot.onTimer, { id: timerId, due: dueMs }, `onTimer.${slot.name}`);
  }

  private handleLate({ slot }: KeyedWindow, values: WindowValues, start: number, end: number): void {
    const before = this.context.window;
    this.context.window = { start, end };
    this.refusePromise(slot.onLate?.(values, this.context), `onLate.${slot.name}`);
    this.context.window = before;
  }

  /** @param windows how many of the declaration it was late for: the first begins at `start`, the last ends at `end` */
  private countLate({ slot }: EmittingWindow, timeMs: number, windows: number, start: number, end: number): void {
    const how = slot.definition.late;
    if (how === "drop") this.counters.lateDropped++;
    else if (how === "handle") this.counters.lateHandled++;
    else {
      this.counters.lateDeadLettered++;
      const which = windows === 1 ? `window ${slot.name}` : `${windows} windows ${slot.name} of`;
      this.addDeadLetter(`late for ${which} [${start}, ${end})`, "LATE");
    }
    const count = this.late.find(({ window }) => window === slot.name);
    if (count === undefined) this.late.push({ window: slot.name, how, records: 1, fromMs: timeMs, toMs: timeMs });
    else {
      count.records++;
      if (timeMs < count.fromMs) count.fromMs = timeMs;
      if (timeMs > count.toMs) count.toMs = timeMs;
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
    const { topic, partition, offset } = this.placeOfRecord();
    const held = this.frame.columns !== this.frame.causeColumns;
    const heldUntil = held ? this.placeOfCause() : "";
    const place = `${topic}-${partition}@${offset}${held ? `, held until ${heldUntil},` : ""}`;
    this.failure = new RepriseError(code, `${name} v${version}: record ${place} ${what}: ${reason}`, {
      cause,
      details: {
        processor: name,
        version,
        topic,
        partition,
        offset,
        ...(held ? { stoppedAt: heldUntil } : {}),
      },
    });
    return false;
  }

  /** Of the record that is handled. */
  private placeOfRecord(): RecordPlace {
    const { columns, index, offset } = this.frame;
    return placeOf(this.processor.sources, columns, index, offset);
  }

  /** Of the record at the task's position. */
  private placeOfCause(): string {
    const { causeColumns, causeIndex, causeOffset } = this.frame;
    return nameOfPlace(placeOf(this.processor.sources, causeColumns, causeIndex, causeOffset));
  }

  private countFault(code: string, how: "skipped" | "deadLetters"): void {
    const { topic } = this.placeOfRecord();
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
    const { columns, index, outputTimeMs } = this.frame;
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
      timestampMs: Number.isFinite(outputTimeMs) ? outputTimeMs : (columns.timestamps[index] as number),
      causeInput: this.frame.causeInput,
      causeOffset: this.frame.causeOffset,
      cause: this.processor.sources.size === 0 ? undefined : this.placeOfCause(),
      headers: [
        { key: "reprise-reason", value: reason.slice(0, maxReasonLength) },
        { key: "reprise-code", value: code },
        { key: "reprise-source", value: nameOfPlace(this.placeOfRecord()) },
        // The record's own come after ours: nothing of it is lost.
        ...Object.entries(this.processor.sources.has(columns.topic) ? sourceHeaders(columns, index) : readHeaders(columns, index)).map(
          ([key, value]) => ({ key, value }),
        ),
      ],
    });
  }

  /**
   * Encodes what changed since the last commit as commit `n`. The task may go on at once, on top of it: what it changes belongs to the commit after it,
   * which is prepared when this one is decided.
   */
  prepare(mode: "building" | "live", n: number, deltaFrom: number): PreparedCommit {
    if (this.prepared !== undefined) throw new Error("a prepared commit is still undecided");
    this.rowBuffer.clear();
    const rows = this.state.prepare(this.rowBuffer);
    const lateMerged = this.merge.lateMerged - this.lateMergedBefore;
    this.lateMergedBefore = this.merge.lateMerged;
    this.prepared = {
      before: this.meta,
      meta: {
        format: 1,
        deployment: this.options.deployment,
        partition: this.partition,
        mode,
        n,
        position: this.position,
        maxTimeMs: Object.fromEntries(this.cursors.map((c) => [c.name, finiteOrNull(c.maxTimeMs)])),
        ...this.savedOrigins(),
        streamTimeMs: finiteOrNull(this.clock.streamTimeMs),
        watermarkMs: finiteOrNull(this.clock.watermarkMs),
        mergedTimeMs: finiteOrNull(this.merge.mergedTimeMs),
        ...(lateMerged === 0 ? {} : { lateMerged }),
        digest: digestToHex(this.state.digest),
        outputs: digestToHex(this.outputs.digest),
        deltaFrom,
      },
      rows: rows.bytes,
      rowCount: rows.count,
      outputs: this.outputs.take(),
      publishing: this.publishing,
      stateTimeMs: this.clock.stateTimeMs,
    };
    return this.prepared;
  }

  private savedOrigins(): Pick<TaskMeta, "origins"> {
    const routed = this.cursors.flatMap(({ name, origins }) => (origins === undefined ? [] : [[name, origins.save()] as const]));
    return routed.length === 0 ? {} : { origins: Object.fromEntries(routed) };
  }

  /** The prepared commit was decided: queries see it from now on. (One that failed is not undone: the task is dropped and opened anew.) */
  decided(): void {
    if (this.prepared === undefined) throw new Error("nothing was prepared");
    this.state.fold();
    this.meta = this.prepared.meta;
    this.committedStateTimeMs = this.prepared.stateTimeMs;
    this.prepared = undefined;
    this.state.evict();
  }

  /** Writes all committed rows and the position to the local store in one atomic batch. @throws RepriseError DISK_FULL */
  async flush(): Promise<void> {
    failpoint("flush-begun");
    await this.options.store.write(this.unsavedWrites());
    failpoint("flush-written");
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

function cursorsOf({ processor, partition, meta, reader, broadcasts, origins }: TaskOptions): InputCursor[] {
  const places = processor.inputs.flatMap((input) => (input.broadcast ? [] : [{ input, partition }]));
  for (const input of processor.inputs.filter((i) => i.broadcast)) {
    const partitions = broadcasts?.get(input.topic);
    if (partitions === undefined) throw new Error(`the partitions of the broadcast table ${input.topic} are not known`);
    for (let p = 0; p < partitions; p++) places.push({ input, partition: p });
  }
  return places.map((place, index) => {
    const { input } = place;
    const filledFrom = origins?.get(input.topic);
    if (input.route !== undefined && filledFrom === undefined)
      throw new Error(`the partitions of the source of ${input.route.name} are not known`);
    const cursor = new InputCursor(index, input, { topic: input.topic, partition: place.partition }, 0, reader, filledFrom);
    cursor.origins?.load(meta.origins?.[cursor.name] ?? []);
    cursor.position = meta.position[cursor.name] ?? 0;
    cursor.maxTimeMs = orMinusInfinity(meta.maxTimeMs[cursor.name]);
    return cursor;
  });
}

function longestBackMs({ slots }: CompiledProcessor): number {
  return Math.max(0, ...slots.map((slot) => (slot.kind === "window" ? countsBackMs(slot.definition) : 0)));
}

/** Of equal times: what is asked for as it is now, tables, inputs. */
function mergeRank({ input: { table } }: InputCursor): number {
  if (table === undefined) return 2;
  return table.asOf === "latest" ? 0 : 1;
}
