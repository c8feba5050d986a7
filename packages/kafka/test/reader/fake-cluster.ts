import type { Cluster, TopicDescription } from "../../src/reader/internal/cluster.ts";
import type { FetchRequest } from "../../src/reader/internal/fetch-request.ts";
import type { AbortedTransaction, FetchedPartition, FetchResponse } from "../../src/reader/internal/fetch-response.ts";
import { int64At } from "../../src/reader/internal/record-batch.ts";

export interface FakePartition {
  leader: number;
  epoch: number;
  logStartOffset: number;
  batches: Buffer[];
  lastStableOffset?: number;
  aborted: AbortedTransaction[];
}

export interface FakeTopic {
  topicId: string;
  partitions: FakePartition[];
}

const endOf = (batch: Buffer): number => int64At(batch, 0) + batch.readInt32BE(23) + 1;

/** Leaders with logs in memory, which answer as Kafka does, and can be told to fail. */
export class FakeCluster implements Cluster {
  readonly topics = new Map<string, FakeTopic>();
  readonly fetches: { node: number; request: FetchRequest }[] = [];
  /** Each of the next fetches takes one; `undefined` is answered as usual. */
  readonly failures: (number | Error | "diverging" | undefined)[] = [];
  unreachable = false;
  /** Called while a fetch is on its way. */
  onFetch: () => void = () => undefined;
  closed = false;
  #append = new EventTarget();

  topic(name: string, partitions = 1, topicId = `00000000-0000-0000-0000-${name.padStart(12, "0")}`): FakeTopic {
    const topic = {
      topicId,
      partitions: Array.from({ length: partitions }, () => ({ leader: 1, epoch: 0, logStartOffset: 0, batches: [], aborted: [] })),
    };
    this.topics.set(name, topic);
    return topic;
  }

  append(name: string, partition: number, ...batches: Buffer[]): void {
    this.topics.get(name)?.partitions[partition]?.batches.push(...batches);
    this.#append.dispatchEvent(new Event("append"));
  }

  async describe(names: readonly string[]): Promise<ReadonlyMap<string, TopicDescription>> {
    await new Promise(setImmediate);
    if (this.unreachable) throw new Error("ECONNREFUSED");
    return new Map(
      names.map((name) => {
        const topic = this.topics.get(name);
        if (topic === undefined) return [name, { errorCode: 3, topicId: "", leaders: new Map() }];
        return [
          name,
          {
            errorCode: 0,
            topicId: topic.topicId,
            leaders: new Map(topic.partitions.map((p, i) => [i, { node: p.leader, epoch: p.epoch }])),
          },
        ];
      }),
    );
  }

  async fetch(node: number, request: FetchRequest): Promise<FetchResponse> {
    this.fetches.push({ node, request });
    const failure = this.failures.shift();
    this.onFetch();
    await new Promise(setImmediate);
    if (failure instanceof Error) throw failure;
    let response = this.#answer(node, request, failure);
    if (
      request.maxWaitMs > 0 &&
      response.partitions.every((p) => p.errorCode === 0 && p.records.length === 0 && p.divergingEndOffset === undefined)
    ) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, request.maxWaitMs);
        this.#append.addEventListener("append", () => (clearTimeout(timer), resolve()), { once: true });
      });
      response = this.#answer(node, request, undefined);
    }
    return response;
  }

  async offsets(_node: number, topic: string, partition: number): Promise<{ earliest: number; latest: number }> {
    const log = this.topics.get(topic)?.partitions[partition] as FakePartition;
    return { earliest: log.logStartOffset, latest: this.#highWatermark(log) };
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  #highWatermark(log: FakePartition): number {
    const last = log.batches.at(-1);
    return last === undefined ? log.logStartOffset : endOf(last);
  }

  #answer(node: number, request: FetchRequest, failure: number | "diverging" | undefined): FetchResponse {
    const partitions = request.topics.flatMap(({ topicId, partitions: asked }) =>
      asked.map((one): FetchedPartition => {
        const nothing = {
          topicId,
          partition: one.partition,
          highWatermark: -1,
          lastStableOffset: -1,
          logStartOffset: -1,
          aborted: [],
          divergingEndOffset: undefined,
          records: Buffer.alloc(0),
        };
        if (typeof failure === "number") return { ...nothing, errorCode: failure };
        if (failure === "diverging") return { ...nothing, errorCode: 0, divergingEndOffset: 1 };
        const log = [...this.topics.values()].find((topic) => topic.topicId === topicId)?.partitions[one.partition];
        if (log === undefined) return { ...nothing, errorCode: 100 };
        if (log.leader !== node) return { ...nothing, errorCode: 6 };
        if (one.leaderEpoch < log.epoch) return { ...nothing, errorCode: 74 };
        if (one.leaderEpoch > log.epoch) return { ...nothing, errorCode: 75 };
        const highWatermark = this.#highWatermark(log);
        if (one.offset < log.logStartOffset || one.offset > highWatermark) return { ...nothing, errorCode: 1 };
        const lastStableOffset = log.lastStableOffset ?? highWatermark;
        const batches = log.batches.filter((batch) => endOf(batch) > one.offset && endOf(batch) <= lastStableOffset);
        const all = Buffer.concat(batches);
        // At least one batch, and otherwise as many bytes as were asked for, whether a batch ends there or not.
        const records = all.subarray(0, Math.max(batches[0]?.length ?? 0, one.maxBytes));
        return {
          ...nothing,
          errorCode: 0,
          highWatermark,
          lastStableOffset,
          logStartOffset: log.logStartOffset,
          aborted: log.aborted,
          records,
        };
      }),
    );
    return { errorCode: 0, partitions };
  }
}
