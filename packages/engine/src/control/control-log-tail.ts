import { type Interrupted, notInterrupted, Stopped } from "../internal/stopped.ts";
import { type Clock, systemClock } from "../ports/clock.ts";
import type { LogReader } from "../ports/log-reader.ts";
import type { TopicOffsets } from "../ports/topic-offsets.ts";
import type { ControlRecord } from "./control-event.ts";
import { type ControlState, emptyControlState, foldControl } from "./control-state.ts";
import { controlTopic } from "./names.ts";

const partition = { topic: controlTopic, partition: 0 };

/** A worker's view of the control topic: folded as far as it was read. */
export class ControlLogTail {
  state: ControlState = emptyControlState;
  /** Next offset to read. */
  position = 0;
  private readonly reader: LogReader;
  private readonly offsets: TopicOffsets;
  private readonly clock: Clock;

  constructor(reader: LogReader, offsets: TopicOffsets, clock: Clock = systemClock) {
    this.reader = reader;
    this.offsets = offsets;
    this.clock = clock;
    reader.assign(partition, 0);
  }

  /** Folds what has arrived; never waits. True when there was something. */
  poll(): boolean {
    const before = this.position;
    for (;;) {
      const columns = this.reader.take(partition);
      if (columns === undefined) return this.position > before;
      for (let i = 0; i < columns.count; i++) {
        const start = columns.valueStarts[i] as number;
        const text = columns.bytes.toString("utf8", start, start + (columns.valueLengths[i] as number));
        this.state = foldControl(this.state, JSON.parse(text) as ControlRecord, columns.offsets[i] as number);
      }
      this.position = columns.nextOffset;
    }
  }

  /**
   * Reads up to the end offset that is asked for now. Whoever calls this after `initTransactions` knows every decision that could have been taken
   * before it (design section 8, rule a). Waits for a transaction that is still open at the end, and for brokers that are away, as long as it takes:
   * throws `Stopped` when `interrupted` says so.
   */
  async readToEnd(interrupted: Interrupted = notInterrupted): Promise<void> {
    const end = await this.offsets.highWatermark(partition);
    this.poll();
    while (this.position < end) {
      if (interrupted()) throw new Stopped();
      await this.reader.wait(1000);
      await this.clock.nextTurn();
      this.poll();
    }
  }
}
