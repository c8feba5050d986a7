import { type Duration, parseDuration } from "@reprise/schema";
import { checkSyncFunction } from "../internal/check-function.ts";
import { checkOneOf, refuseDeclaration } from "../internal/check-options.ts";

export type Partitioner = "murmur2" | "crc32";

export interface TopicOptions<E> {
  /** How its producers place keys. Default "murmur2" (Java); librdkafka's own default is "crc32". Joins and view reads depend on it; it is not checked yet. */
  readonly partitioner?: Partitioner;
  /** Event time in epoch ms; default: the record's timestamp. */
  readonly time?: (event: E) => number;
  /**
   * How much later than its neighbours a record may come: the watermark is the highest time seen minus this. Default "0s"; with `watermark`, only what
   * that says counts.
   */
  readonly outOfOrder?: Duration;
  /**
   * How far an event time may lie ahead of the record's own timestamp, which Kafka has; what lies further ahead does not decode (`onError.decode`), and
   * moves no time. Needs `time`. Default: no limit.
   */
  readonly maxAhead?: Duration;
  /**
   * What a record says of time itself: nothing below it comes any more (epoch ms; null: it says nothing). A market's close, a device's last upload. A
   * function of the record alone. What is below the watermark already is ignored and counted.
   */
  readonly watermark?: (event: E) => number | null;
}

/** The options as the engine reads them. */
export interface TimedInput {
  readonly partitioner: Partitioner;
  /** Of the decoded value (topic, table) or the event `{type, data}` (events). */
  readonly time: ((event: unknown) => number) | undefined;
  /** Infinity: only `watermark` says what is over. */
  readonly outOfOrderMs: number;
  readonly maxAheadMs: number | undefined;
  /** Of the same as `time`. */
  readonly watermark: ((event: unknown) => number | null) | undefined;
}

export const topicOptionNames = ["key", "partitioner", "time", "outOfOrder", "maxAhead", "watermark"] as const;

export function timedInput(o: TopicOptions<never>, what: string): TimedInput {
  if (o.time !== undefined) checkSyncFunction(o.time, `${what}: time`);
  if (o.watermark !== undefined) checkSyncFunction(o.watermark, `${what}: watermark`);
  if (o.maxAhead !== undefined && o.time === undefined)
    refuseDeclaration(what, "maxAhead: compares `time` with the record's timestamp, and there is no `time`");
  const outOfOrderMs = o.outOfOrder === undefined ? undefined : parseDuration(o.outOfOrder, `${what}: outOfOrder`);
  return {
    partitioner: checkOneOf(o.partitioner ?? "murmur2", ["murmur2", "crc32"], `${what}: partitioner`),
    time: o.time as ((event: unknown) => number) | undefined,
    outOfOrderMs: outOfOrderMs ?? (o.watermark === undefined ? 0 : Number.POSITIVE_INFINITY),
    maxAheadMs: o.maxAhead === undefined ? undefined : parseDuration(o.maxAhead, `${what}: maxAhead`),
    watermark: o.watermark as ((event: unknown) => number | null) | undefined,
  };
}
