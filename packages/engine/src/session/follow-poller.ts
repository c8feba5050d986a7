import { type CommitRecord, decodeCommitRecord } from "../commit/commit-record.ts";
import { groupOf } from "../control/names.ts";
import type { Clock } from "../ports/clock.ts";
import type { GroupOffsets } from "../ports/transactional-writer.ts";
import type { FollowBounds } from "./publication.ts";

/** Reads a deployment's commit records, require-stable, again and again: what a follower may follow to. */
export class FollowPoller {
  /** Of which deployment the bounds are; bounds of another one must not be used. */
  publisher: string | undefined;
  bounds: FollowBounds = new Map();
  /** Why the last read failed; undefined when it did not. */
  lastError: unknown;
  private readonly groupOffsets: GroupOffsets;
  private readonly leadTopic: string;
  private readonly intervalMs: number;
  private readonly clock: Clock;
  private partitions: readonly number[] = [];
  private stopped = false;
  private running: Promise<void> | undefined;
  private readonly onChange: () => void;

  constructor(groupOffsets: GroupOffsets, leadTopic: string, intervalMs: number, clock: Clock, onChange: () => void) {
    this.groupOffsets = groupOffsets;
    this.leadTopic = leadTopic;
    this.intervalMs = intervalMs;
    this.clock = clock;
    this.onChange = onChange;
  }

  /** Whom to follow with which tasks; undefined: nobody. */
  follow(publisher: string | undefined, partitions: readonly number[]): void {
    if (publisher !== this.publisher) this.bounds = new Map();
    this.publisher = publisher;
    this.partitions = partitions;
    this.running ??= this.run();
  }

  /** At once: a read that is under way may take as long as its retries, and its answer is for nobody. */
  stop(): void {
    this.stopped = true;
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      const { publisher, partitions } = this;
      if (publisher !== undefined && partitions.length > 0) await this.read(publisher, partitions);
      await this.clock.sleep(this.intervalMs);
    }
  }

  private async read(publisher: string, partitions: readonly number[]): Promise<void> {
    try {
      const committed = await this.groupOffsets.committed(
        groupOf(publisher),
        partitions.map((partition) => ({ topic: this.leadTopic, partition })),
      );
      this.lastError = undefined;
      if (this.stopped || publisher !== this.publisher) return;
      const bounds = new Map<number, { readonly [topic: string]: number }>();
      for (const { partition, offset, metadata } of committed) {
        const record: CommitRecord | undefined = decodeCommitRecord(metadata);
        if (record !== undefined) bounds.set(partition, { ...record.position, [this.leadTopic]: offset });
      }
      this.bounds = bounds;
      this.onChange();
    } catch (error) {
      // A follower that can't read keeps the bounds it has: they only ever grow.
      this.lastError = error;
    }
  }
}
