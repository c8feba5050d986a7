import {
  type CommitRecord,
  type ControlRecord,
  type ControlState,
  controlTopic,
  decodeCommitRecord,
  deltaTopicOf,
  emptyControlState,
  foldControl,
  groupOf,
  offsetIn,
  publisherOf,
} from "@reprise/engine";
import type { Transaction } from "./sim-kafka.ts";
import { outTopic, tableTopic } from "./workload.ts";
import { Violation } from "./violation.ts";

/** Looks at every transaction at the moment at which it is decided. */
export class Invariants {
  /** The fold of the control log, as decided. */
  control: ControlState = emptyControlState;
  commits = 0;
  /** Commit records as decided, by deployment and partition. */
  readonly decided = new Map<string, CommitRecord>();
  private readonly violated: (violation: Violation) => void;
  private readonly onControl: (event: ControlRecord["event"]) => void;
  private controlEvents = 0;

  constructor(violated: (violation: Violation) => void, onControl: (event: ControlRecord["event"]) => void) {
    this.violated = violated;
    this.onControl = onControl;
  }

  readonly committed = (transaction: Transaction): void => {
    const event = transaction.records.find(({ at }) => at.topic === controlTopic);
    if (event !== undefined) {
      const record = JSON.parse(String(event.value)) as ControlRecord;
      this.control = foldControl(this.control, record, this.controlEvents++);
      this.onControl(record.event);
      return;
    }
    this.commits++;
    const { transactionalId } = transaction;
    const deployment = [...this.control.deployments.values()].find(({ spec }) => transactionalId.startsWith(`${groupOf(spec.id)}.`));
    if (deployment === undefined) return;
    const { id } = deployment.spec;
    const records = [...transaction.offsets.values()].flatMap(({ group, offset }) => {
      const record = group === groupOf(id) ? decodeCommitRecord(offset.metadata) : undefined;
      return record === undefined ? [] : [{ partition: offset.partition, record }];
    });
    const told = transaction.records.some(({ at }) => [outTopic, tableTopic, deltaTopicOf(id)].includes(at.topic));
    if (told && records.length === 0)
      this.fail("atomic", `${transaction.transactionalId} committed records without the offsets that go with them`);
    for (const { partition, record } of records) this.look(id, partition, record);
  };

  private fail(invariant: string, message: string): void {
    this.violated(new Violation(invariant, message));
  }

  private look(deployment: string, partition: number, record: CommitRecord): void {
    const name = `${deployment}/${partition}`;
    const before = this.decided.get(name);
    this.decided.set(name, record);
    if (before?.mode === "live") {
      const repeated = record.n === 0 && before.n === 0;
      if (record.mode !== "live" || (record.n !== before.n + 1 && !repeated))
        this.fail("one owner", `task ${name}: commit ${record.n} (${record.mode}) after ${before.n} was decided`);
      for (const topic in before.position)
        if ((record.position[topic] as number) < (before.position[topic] as number))
          this.fail(
            "offsets",
            `task ${name}: commit ${record.n} moves ${topic} from ${before.position[topic]} back to ${record.position[topic]}`,
          );
    }
    if (record.publishing) this.publishes(deployment, partition, record, before);
    else this.follows(deployment, partition, record, before);
  }

  /** What is published lies in an interval of its deployment. */
  private publishes(deployment: string, partition: number, record: CommitRecord, before: CommitRecord | undefined): void {
    const processor = this.control.deployments.get(deployment)?.spec.processor ?? "";
    const intervals = this.control.processors.get(processor)?.intervals ?? [];
    const within = intervals.some(
      (interval) =>
        interval.deployment === deployment &&
        // A commit may begin muted, in front of the interval.
        Object.entries(record.position).every(
          ([topic, to]) =>
            to >= offsetIn(interval.from, topic, partition) && (interval.to === null || to <= offsetIn(interval.to, topic, partition)),
        ),
    );
    if (!within)
      this.fail(
        "one publisher",
        `task ${deployment}/${partition} published from ${JSON.stringify(before?.position)} to ${JSON.stringify(record.position)}, which lies in no interval of it`,
      );
  }

  /** Who does not publish is not beyond who does. */
  private follows(deployment: string, partition: number, record: CommitRecord, before: CommitRecord | undefined): void {
    const processor = this.control.deployments.get(deployment)?.spec.processor ?? "";
    const interval = publisherOf(this.control, processor);
    if (interval === undefined) return;
    const ahead = interval.deployment === deployment ? undefined : this.decided.get(`${interval.deployment}/${partition}`);
    for (const [topic, to] of Object.entries(record.position)) {
      if (to <= (before?.position[topic] ?? 0)) continue;
      const bound = Math.max(ahead?.position[topic] ?? 0, offsetIn(interval.from, topic, partition));
      if (to > bound)
        this.fail(
          "follow",
          `task ${deployment}/${partition} is at ${topic}@${to} and does not publish, ${interval.deployment} is at ${bound}`,
        );
    }
  }
}
