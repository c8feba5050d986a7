import { type CommitRecord, compileProcessor, type OutputRecord, type StoredRow, Task } from "@reprise/engine";
import { definitionOf } from "@reprise/processor";
import { MapStore } from "@reprise/testing/engine-run";
import type { KafkaLog } from "./kafka-log.ts";

export interface Replayed {
  readonly digest: string;
  /** The digest of the outputs. */
  readonly outputsDigest: string;
  readonly position: CommitRecord["position"];
  readonly streamTimeMs: number | null;
  readonly outputs: readonly OutputRecord[];
  /** All of its state, in the order of the keys. */
  readonly rows: readonly StoredRow[];
}

const noDigest = "0".repeat(32);

/**
 * What the engine's task makes of the log up to the position of a commit record, without Kafka, commits, restarts or anybody else. Broadcast tables, whose
 * positions are not in it, are read to the end of the log.
 */
export function replayInMemory(processor: unknown, log: KafkaLog, partition: number, position: CommitRecord["position"]): Replayed {
  const compiled = compileProcessor(definitionOf(processor), {});
  const broadcasts = new Map(compiled.inputs.flatMap(({ broadcast, topic }) => (broadcast ? [[topic, log.partitions(topic)]] : [])));
  const reader = log.reader((place) => (broadcasts.has(place.topic) ? log.end(place) : (position[place.topic] ?? 0)));
  const store = new MapStore();
  const task = new Task({
    processor: compiled,
    deployment: "in-memory",
    partition,
    store,
    reader,
    meta: {
      ...{ format: 1, deployment: "in-memory", partition, mode: "live", n: 0, position: {}, maxTimeMs: {}, streamTimeMs: null },
      ...{ mergedTimeMs: null, digest: noDigest, outputs: noDigest, deltaFrom: 0 },
    },
    broadcasts,
    storeIsEmpty: true,
    // So late that no input holds another back.
    hooks: { nowMs: () => Number.MAX_SAFE_INTEGER, log() {}, count() {} },
  });
  task.publishing = true;
  for (const { partition: place, position: from } of task.cursors) reader.assign(place, from);
  const outputs: OutputRecord[] = [];
  const commit = (): void => {
    outputs.push(...task.prepare("live", task.meta.n + 1, 0).outputs);
    task.decided();
    store.writeNow(task.unsavedWrites());
    task.state.saved();
  };
  while (task.stepNow() > 0) commit();
  commit();
  if (task.failure !== undefined) throw task.failure;
  const { digest, outputs: outputsDigest, streamTimeMs, position: reached } = task.meta;
  return {
    digest,
    outputsDigest,
    streamTimeMs,
    position: Object.fromEntries(Object.keys(position).map((topic) => [topic, reached[topic] ?? 0])),
    outputs,
    rows: store.all(),
  };
}
