import { type Interrupted, notInterrupted, Stopped } from "../internal/stopped.ts";
import { type Clock, systemClock } from "../ports/clock.ts";
import type { LogReader, TopicPartition } from "../ports/log-reader.ts";
import { type Delta, DeltaAssembler } from "./delta.ts";

/**
 * The whole deltas of a partition of a delta topic from an offset on. Ends when everything below `end` was read.
 * @throws RepriseError of the reader, DELTAS_LOST; `Stopped` when `interrupted` says so while it waits
 */
export async function* readDeltas(
  reader: LogReader,
  partition: TopicPartition,
  from: number,
  end: number,
  interrupted: Interrupted = notInterrupted,
  clock: Clock = systemClock,
): AsyncGenerator<Delta> {
  const assembler = new DeltaAssembler();
  reader.assign(partition, from);
  try {
    for (let position = from; ; ) {
      const columns = reader.take(partition);
      if (columns === undefined) {
        if (position >= end) return;
        if (interrupted()) throw new Stopped();
        await reader.wait(100);
        // A reader with something else to take answers at once: let I/O have its turn.
        await clock.nextTurn();
        continue;
      }
      position = columns.nextOffset;
      for (let i = 0; i < columns.count; i++) {
        const start = columns.valueStarts[i] as number;
        const whole = assembler.add(columns.bytes.subarray(start, start + (columns.valueLengths[i] as number)));
        if (whole !== undefined) yield whole;
      }
    }
  } finally {
    reader.unassign(partition);
  }
}
