import type { Cluster } from "./cluster.ts";
import type { FetchPartition, FetchTopic } from "./fetch-request.ts";
import type { FetchedPartition, FetchResponse } from "./fetch-response.ts";
import type { PartitionReader } from "./partition-reader.ts";

/** A partition as its leader knows it. */
export interface LedPartition {
  readonly reader: PartitionReader;
  readonly topicId: string;
  readonly leaderEpoch: number;
}

export interface FetchLimits {
  readonly maxWaitMs: number;
  readonly maxBytes: number;
  /** What a partition may buffer now; shrinks when many are assigned. */
  partitionBytes(): number;
}

export interface FetchEvents {
  answered(led: LedPartition, fetched: FetchedPartition): void;
  /** The request failed as a whole (`error`), or the leader said nothing about these partitions. */
  failed(partitions: readonly LedPartition[], error: unknown): void;
}

/**
 * How often partitions at the end of their log are asked while others wait for their taker: a long poll then would keep a
 * partition that is drained meanwhile waiting, as a broker answers one request of a connection after the other.
 */
const quickPollMs = 20;

/**
 * Fetches the partitions of one leader, one request at a time. A partition is asked for when it has room: when one of them is below
 * half of its bound at once, otherwise only to poll those at the end of their log. With all of them full it sleeps until woken.
 */
export class LeaderFetcher {
  readonly node: number;
  readonly #cluster: Cluster;
  readonly #limits: FetchLimits;
  readonly #events: FetchEvents;
  /** Those served last come last: a broker fills a response in the order of the request. */
  #partitions: LedPartition[] = [];
  #busy = false;
  #closed = false;
  #polledAtMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(node: number, cluster: Cluster, limits: FetchLimits, events: FetchEvents) {
    this.node = node;
    this.#cluster = cluster;
    this.#limits = limits;
    this.#events = events;
  }

  add(partition: LedPartition): void {
    this.#partitions.push(partition);
  }

  remove(reader: PartitionReader): void {
    this.#partitions = this.#partitions.filter((led) => led.reader !== reader);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  /** Sends the next request if there is reason to; harmless otherwise. */
  wake(): void {
    if (this.#busy || this.#closed) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const now = performance.now();
    const limit = this.#limits.partitionBytes();
    const asked: LedPartition[] = [];
    const polled: LedPartition[] = [];
    let hungry = false;
    let full = false;
    for (const led of this.#partitions) {
      const { reader } = led;
      if (reader.error !== undefined) continue;
      if (limit - reader.bufferedBytes < limit / 4) full = true;
      else if (reader.atEnd) polled.push(led);
      else {
        asked.push(led);
        hungry ||= reader.bufferedBytes <= limit / 2;
      }
    }
    if (!hungry) {
      if (polled.length === 0) return;
      const pauseMs = this.#polledAtMs + quickPollMs - now;
      if (full && pauseMs > 0) {
        this.#timer = setTimeout(() => this.wake(), Math.ceil(pauseMs));
        return;
      }
    }
    if (polled.length > 0) this.#polledAtMs = now;
    void this.#fetch([...asked, ...polled], limit, full ? 0 : this.#limits.maxWaitMs);
  }

  async #fetch(asked: readonly LedPartition[], limit: number, maxWaitMs: number): Promise<void> {
    this.#busy = true;
    const offsets = asked.map((led) => led.reader.fetchOffset);
    let response: FetchResponse | undefined;
    let failure: unknown;
    try {
      const topics = fetchTopics(asked, limit);
      response = await this.#cluster.fetch(this.node, { maxWaitMs, maxBytes: this.#limits.maxBytes, topics });
      if (response.errorCode !== 0) failure = new Error(`Fetch was answered with error ${response.errorCode}.`);
    } catch (error) {
      failure = error;
    }
    this.#busy = false;
    if (this.#closed) return;
    if (response === undefined || failure !== undefined) this.#events.failed(asked, failure);
    else this.#deliver(asked, offsets, response);
    this.wake();
  }

  #deliver(asked: readonly LedPartition[], offsets: readonly number[], response: FetchResponse): void {
    const answers = new Map(response.partitions.map((fetched) => [`${fetched.topicId} ${fetched.partition}`, fetched]));
    const silent: LedPartition[] = [];
    const served = new Set<LedPartition>();
    asked.forEach((led, i) => {
      if (led.reader.released || led.reader.fetchOffset !== offsets[i]) return;
      const fetched = answers.get(`${led.topicId} ${led.reader.partition}`);
      if (fetched === undefined) silent.push(led);
      else {
        this.#events.answered(led, fetched);
        if (led.reader.fetchOffset !== offsets[i]) served.add(led);
      }
    });
    if (served.size > 0 && served.size < this.#partitions.length) {
      this.#partitions = [...this.#partitions.filter((led) => !served.has(led)), ...this.#partitions.filter((led) => served.has(led))];
    }
    if (silent.length > 0) this.#events.failed(silent, new Error("The leader did not answer for every partition."));
  }
}

function fetchTopics(asked: readonly LedPartition[], limit: number): FetchTopic[] {
  const topics = new Map<string, FetchPartition[]>();
  for (const { reader, topicId, leaderEpoch } of asked) {
    let partitions = topics.get(topicId);
    if (partitions === undefined) topics.set(topicId, (partitions = []));
    partitions.push({
      partition: reader.partition,
      leaderEpoch,
      offset: reader.fetchOffset,
      lastEpoch: reader.lastEpoch,
      maxBytes: limit - reader.bufferedBytes,
    });
  }
  return [...topics].map(([topicId, partitions]) => ({ topicId, partitions }));
}
