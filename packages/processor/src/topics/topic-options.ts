import { type Duration, parseDuration } from "@reprise/schema";
import { checkSyncFunction } from "../internal/check-function.ts";
import { checkOneOf } from "../internal/check-options.ts";

export type Partitioner = "murmur2" | "crc32";

export interface TopicOptions<E> {
  /** How its producers place keys. Default "murmur2" (Java); librdkafka's own default is "crc32". Joins and view reads depend on it; it is not checked yet. */
  readonly partitioner?: Partitioner;
  /** Event time in epoch ms; default: the record's timestamp. */
  readonly time?: (event: E) => number;
  /** How much later than its neighbours a record may come: the watermark is the highest time seen minus this. Default "0s". */
  readonly outOfOrder?: Duration;
}

/** The options as the engine reads them. */
export interface TimedInput {
  readonly partitioner: Partitioner;
  /** Of the decoded value (topic, table) or the event `{type, data}` (events). */
  readonly time: ((event: unknown) => number) | undefined;
  readonly outOfOrderMs: number;
}

export const topicOptionNames = ["key", "partitioner", "time", "outOfOrder"] as const;

export function timedInput(o: TopicOptions<never>, what: string): TimedInput {
  if (o.time !== undefined) checkSyncFunction(o.time, `${what}: time`);
  return {
    partitioner: checkOneOf(o.partitioner ?? "murmur2", ["murmur2", "crc32"], `${what}: partitioner`),
    time: o.time as ((event: unknown) => number) | undefined,
    outOfOrderMs: o.outOfOrder === undefined ? 0 : parseDuration(o.outOfOrder, `${what}: outOfOrder`),
  };
}
