import { RepriseError } from "@reprise/schema";
import { encodeCommitRecord } from "../commit/commit-record.ts";
import { encodeDelta } from "../commit/delta.ts";
import { deadLetterTopicOf, deltaTopicOf } from "../control/names.ts";
import { failpoint } from "../internal/failpoint.ts";
import { partitionForKey } from "../murmur2.ts";
import type { InputCursor } from "../order/input-cursor.ts";
import type { OutputRecord } from "../output/output-buffer.ts";
import type { CommittedOffset, RecordHeader, TransactionOutcome } from "../ports/transactional-writer.ts";
import type { PreparedCommit, Task } from "../task/task.ts";
import type { TaskMeta } from "../task/task-meta.ts";
import type { SessionOptions } from "./session-options.ts";

/** Records between two looks at the producer's queue. */
const drainEvery = 5000;

/** One task's part of a commit. */
export interface TaskCommit {
  readonly task: Task;
  readonly prepared: PreparedCommit;
}

/**
 * Writes commits: one Kafka transaction for all tasks of the worker with outputs (when publishing), deltas (when live) and the commit records as
 * committed offsets with group metadata (the fence). All or nothing.
 */
export class Committer {
  private readonly options: SessionOptions;
  /** Partitions of each output topic; the dead-letter topic comes last. */
  private readonly outputTopics: { readonly topic: string; readonly partitions: number; readonly table: boolean }[] = [];

  constructor(options: SessionOptions) {
    this.options = options;
  }

  /** Looks up the output topics. @throws RepriseError TOPIC_MISSING */
  async open(): Promise<void> {
    const { processor, offsets } = this.options;
    const topics = processor.outputs.map((o) => ({ topic: o.topic, table: o.kind === "table", required: true }));
    topics.push({ topic: deadLetterTopicOf(processor.name), table: false, required: false });
    for (const { topic, table, required } of topics) {
      const found = await offsets.describe(topic);
      if (found === undefined && required)
        throw new RepriseError("TOPIC_MISSING", `the output topic ${topic} of ${processor.name} v${processor.version} does not exist`, {
          details: { topic },
        });
      this.outputTopics.push({ topic, table, partitions: found?.partitions ?? 1 });
    }
  }

  /** Resolves with how it ended; the caller decides what becomes of the tasks. */
  async commit(commits: readonly TaskCommit[]): Promise<TransactionOutcome> {
    const { writer } = this.options;
    await writer.begin();
    failpoint("transaction-begun");
    for (const { task, prepared } of commits) {
      await this.writeOutputs(prepared.outputs, task);
      failpoint("outputs-produced");
      if (prepared.meta.mode === "live" && prepared.meta.n > 0) await this.writeDelta(prepared);
    }
    failpoint("deltas-produced");
    return writer.commit(commits.flatMap(({ prepared }) => this.offsetsOf(prepared.meta, prepared.publishing)));
  }

  countByTopic(outputs: readonly OutputRecord[]): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { output } of outputs) {
      const topic = this.outputTopics[output]?.topic ?? "";
      counts.set(topic, (counts.get(topic) ?? 0) + 1);
    }
    return counts;
  }

  private async writeOutputs(outputs: readonly OutputRecord[], task: Task): Promise<void> {
    const { writer, spec } = this.options;
    let sinceDrain = 0;
    for (const output of outputs) {
      const target = this.outputTopics[output.output] as { topic: string; partitions: number };
      const { topic, partition } = (task.cursors[output.causeInput] as InputCursor).partition;
      const cause = output.cause ?? `${topic}-${partition}@${output.causeOffset}`;
      // Where a record comes from, for comparison, seams and people: deployment, and the record that caused it.
      const headers: RecordHeader[] = [{ key: "reprise-cause", value: `${spec.id} ${cause}` }];
      if (output.headers !== undefined) headers.push(...output.headers);
      writer.produce(target.topic, partitionForKey(output.key, target.partitions), output.key, output.value, output.timestampMs, headers);
      if (++sinceDrain === drainEvery) {
        sinceDrain = 0;
        await writer.drain();
      }
    }
  }

  private async writeDelta(prepared: PreparedCommit): Promise<void> {
    const { writer, spec, hooks } = this.options;
    const { partition } = prepared.meta;
    const key = Buffer.from(String(partition));
    for (const value of encodeDelta(prepared.before, prepared.meta, prepared.rows)) {
      writer.produce(deltaTopicOf(spec.id), partition, key, value, hooks.nowMs());
      await writer.drain();
    }
  }

  private offsetsOf(meta: TaskMeta, publishing: boolean): CommittedOffset[] {
    const { spec, control } = this.options;
    return spec.inputs.map(
      ({ topic }, index): CommittedOffset => ({
        topic,
        partition: meta.partition,
        offset: meta.position[topic] ?? 0,
        metadata:
          index > 0
            ? ""
            : encodeCommitRecord({
                format: 1,
                n: meta.n,
                mode: meta.mode,
                // Where broadcast tables are read is the task's own affair: it stands in its meta, which deltas carry.
                position: Object.fromEntries(spec.inputs.map((i) => [i.topic, meta.position[i.topic] as number])),
                digest: meta.digest,
                outputs: meta.outputs,
                streamTimeMs: meta.streamTimeMs,
                ...(meta.lateMerged === undefined ? {} : { lateMerged: meta.lateMerged }),
                publishing,
                topicIds: Object.fromEntries([...spec.inputs, ...(spec.broadcasts ?? [])].map((i) => [i.topic, i.topicId])),
                artifact: spec.artifact.slice(0, 16),
                control: control.position,
              }),
      }),
    );
  }
}
