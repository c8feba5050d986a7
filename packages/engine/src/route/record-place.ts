import type { RecordColumns } from "../ports/log-reader.ts";
import { OriginStamp } from "./origin-stamp.ts";

/** Where a record stands, for people, headers and what is drawn from it. */
export interface RecordPlace {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Which of several records that the one there was routed as; −1: a marker; 0 for all that were not routed. */
  readonly index: number;
}

const stamp = new OriginStamp();

/**
 * Where a record stands in its source. An internal topic is a deployment's own, and the same records stand there in another order in the next one:
 * nothing that others see, or that is to be repeated, may come from it.
 * @param sources internal topic → source
 */
export function placeOf(sources: ReadonlyMap<string, string>, columns: RecordColumns, index: number, offset: number): RecordPlace {
  const topic = sources.get(columns.topic);
  if (topic === undefined) return { topic: columns.topic, partition: columns.partition, offset, index: 0 };
  try {
    stamp.read(columns, index, Number.POSITIVE_INFINITY);
    return { topic, partition: stamp.partition, offset: stamp.offset, index: stamp.index };
  } catch {
    // What nobody routed has no other place.
    return { topic: columns.topic, partition: columns.partition, offset, index: 0 };
  }
}

export function nameOfPlace({ topic, partition, offset }: RecordPlace): string {
  return `${topic}-${partition}@${offset}`;
}
