import {
  type Clock,
  type CommitRecord,
  type ControlState,
  type DeploymentEntry,
  decodeCommitRecord,
  EndSamples,
  groupOf,
  type TopicPartition,
} from "@reprise/engine";
import type { Cluster } from "../cluster.ts";
import {
  type DeploymentObservation,
  followedBy,
  type InputEnd,
  partitionLags,
  positionOf,
  type RoutePosition,
  routeLags,
  type TaskObservation,
  totalLag,
} from "./observation.ts";
import { ProgressRate } from "./progress-rate.ts";
import { Steadiness } from "./steadiness.ts";

/** Design section 7: how far behind a deployment may be and still count as caught up. */
export const lagLimitMs = 5_000;

/** How long one look waits for one deployment. */
const patienceMs = 500;

interface Watched {
  readonly rate: ProgressRate;
  readonly steady: Steadiness;
  /** Its own committed positions, by topic and partition: what its followers lag behind. */
  readonly positions: Map<string, EndSamples>;
  observation?: DeploymentObservation;
}

/** What one look at a deployment found. */
interface Seen {
  readonly tasks: readonly TaskObservation[];
  readonly routed: readonly RoutePosition[];
}

const nameOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`;

/** Looks at Kafka from time to time: commit records, ends of inputs. Remembers enough of the past to tell lags and rates. */
export class Observer {
  readonly #cluster: Cluster;
  readonly #clock: Clock;
  readonly #watched = new Map<string, Watched>();
  readonly #reading = new Map<string, Promise<Seen>>();
  readonly #ends = new Map<string, { end: InputEnd; readonly samples: EndSamples }>();

  constructor(cluster: Cluster, clock: Clock) {
    this.#cluster = cluster;
    this.#clock = clock;
  }

  observation(deployment: string): DeploymentObservation | undefined {
    return this.#watched.get(deployment)?.observation;
  }

  /** One look at all deployments that have not ended. One that can't be looked at keeps its former observation. */
  async look(state: ControlState): Promise<{ readonly deployment: string; readonly error: unknown }[]> {
    const alive = [...state.deployments.values()].filter((entry) => !["Retired", "Retiring", "Aborted"].includes(entry.state));
    for (const id of [...this.#watched.keys()]) if (!alive.some((entry) => entry.spec.id === id)) this.#watched.delete(id);
    const failed: { deployment: string; error: unknown }[] = [];
    await this.#lookAtEnds(alive).catch((error: unknown) => {
      for (const { spec } of alive) failed.push({ deployment: spec.id, error });
    });
    const looks = await Promise.all(
      alive.map(async (entry) => {
        try {
          return { entry, seen: await this.#seenSoon(entry) };
        } catch (error) {
          failed.push({ deployment: entry.spec.id, error });
          return { entry, seen: undefined };
        }
      }),
    );
    const nowMs = this.#clock.epochMs();
    // Publishers' positions first: what their followers are compared with must be of the same look.
    for (const { entry, seen } of looks) if (seen !== undefined) this.#notePositions(entry, seen.tasks, nowMs);
    for (const { entry, seen } of looks) if (seen !== undefined) this.#observe(state, entry, seen, nowMs);
    return failed;
  }

  /** The tasks as their commit records show them now, require-stable. */
  async tasks(entry: DeploymentEntry): Promise<TaskObservation[]> {
    const { id, inputs } = entry.spec;
    const lead = inputs[0];
    if (lead === undefined) return [];
    const partitions = Array.from({ length: lead.partitions }, (_, partition) => ({ topic: lead.topic, partition }));
    const records = new Map<number, CommitRecord>();
    for (const { partition, metadata } of await this.#cluster.offsets.committed(groupOf(id), partitions)) {
      const record = decodeCommitRecord(metadata);
      if (record !== undefined) records.set(partition, record);
    }
    return partitions.map(({ partition }) => {
      const record = records.get(partition);
      return record === undefined ? { partition } : { partition, record };
    });
  }

  /** How far the stages before its rekeyed inputs are. */
  async #routed({ spec }: DeploymentEntry): Promise<RoutePosition[]> {
    const all = (spec.routes ?? []).map(async ({ topic: group, source }) => {
      const partitions = Array.from({ length: source.partitions }, (_, partition) => ({ topic: source.topic, partition }));
      const committed = await this.#cluster.offsets.committed(group, partitions);
      return partitions.map((one) => ({ ...one, position: committed.find(({ partition }) => partition === one.partition)?.offset ?? 0 }));
    });
    return (await Promise.all(all)).flat();
  }

  /**
   * Tasks and routes, or undefined when Kafka does not answer soon: behind a transaction whose owner died, committed offsets are not stable
   * for up to 10 s, and the other deployments must not wait for that. The answer is taken by a later look.
   */
  async #seenSoon(entry: DeploymentEntry): Promise<Seen | undefined> {
    const { id } = entry.spec;
    let reading = this.#reading.get(id);
    if (reading === undefined) {
      reading = Promise.all([this.tasks(entry), this.#routed(entry)])
        .then(([tasks, routed]) => ({ tasks, routed }))
        .finally(() => this.#reading.delete(id));
      reading.catch(() => undefined);
      this.#reading.set(id, reading);
    }
    const abort = new AbortController();
    const patience = this.#clock.sleep(patienceMs, abort.signal).then(() => undefined);
    try {
      return await Promise.race([reading, patience]);
    } finally {
      abort.abort();
    }
  }

  async #lookAtEnds(alive: readonly DeploymentEntry[]): Promise<void> {
    const partitions = new Map<string, TopicPartition>();
    for (const { spec } of alive) {
      for (const input of [...spec.inputs, ...(spec.routes ?? []).map(({ source }) => source)]) {
        for (let partition = 0; partition < input.partitions; partition++) {
          const one = { topic: input.topic, partition };
          partitions.set(nameOf(one), one);
        }
      }
    }
    if (partitions.size === 0) return;
    const asked = [...partitions.values()];
    const ends = await this.#cluster.ends(asked);
    const nowMs = this.#clock.epochMs();
    for (const [index, one] of asked.entries()) {
      const end = ends[index];
      if (end === undefined) continue;
      const known = this.#ends.get(nameOf(one)) ?? { end, samples: new EndSamples() };
      known.end = end;
      known.samples.add(nowMs, end.lastStable);
      this.#ends.set(nameOf(one), known);
    }
  }

  #notePositions(entry: DeploymentEntry, tasks: readonly TaskObservation[], nowMs: number): void {
    const watched = this.#watch(entry.spec.id);
    for (const { topic } of entry.spec.inputs) {
      for (const task of tasks) {
        const name = nameOf({ topic, partition: task.partition });
        const samples = watched.positions.get(name) ?? new EndSamples();
        samples.add(nowMs, positionOf(task, topic));
        watched.positions.set(name, samples);
      }
    }
  }

  #observe(state: ControlState, entry: DeploymentEntry, { tasks, routed }: Seen, nowMs: number): void {
    const { spec } = entry;
    const watched = this.#watch(spec.id);
    const followed = followedBy(state, spec.id);
    const ahead = followed === undefined ? undefined : this.#watched.get(followed)?.positions;
    const endOf = (topic: string, partition: number) => this.#ends.get(nameOf({ topic, partition }));
    const followers = followed === undefined ? undefined : (topic: string, partition: number) => ahead?.get(nameOf({ topic, partition }));
    const partitions = [...partitionLags(spec, tasks, nowMs, endOf, followers), ...routeLags(routed, nowMs, endOf)];
    const complete = partitions.length === routed.length + spec.inputs.reduce((sum, input) => sum + input.partitions, 0);
    let processed = 0;
    for (const { topic, partition, position } of partitions) {
      processed += position - (this.#ends.get(nameOf({ topic, partition }))?.end.logStart ?? 0);
    }
    watched.rate.add(nowMs, processed);
    const lag = totalLag(partitions.map((one) => one.lag));
    const publisherLag = followed === undefined ? undefined : totalLag(partitions.map((one) => one.publisherLag ?? one.lag));
    const missing = (publisherLag ?? lag).records;
    const { recordsPerSecond } = watched.rate;
    const live = tasks.every((task) => task.record?.mode === "live");
    const lagMs = (publisherLag ?? lag).ms;
    watched.steady.add(nowMs, complete && live && lagMs !== null && lagMs <= lagLimitMs);
    const { sinceMs } = watched.steady;
    watched.observation = {
      deployment: spec.id,
      atMs: nowMs,
      tasks,
      processedRecords: processed,
      totalRecords: processed + missing,
      recordsPerSecond,
      remainingMs: missing === 0 ? 0 : recordsPerSecond < 1 ? null : Math.round((missing * 1000) / recordsPerSecond),
      lag,
      ...(publisherLag === undefined ? {} : { publisherLag }),
      partitions,
      live,
      ...(sinceMs === undefined ? {} : { steadySinceMs: sinceMs }),
    };
  }

  #watch(deployment: string): Watched {
    const known = this.#watched.get(deployment);
    if (known !== undefined) return known;
    const watched: Watched = { rate: new ProgressRate(), steady: new Steadiness(), positions: new Map() };
    this.#watched.set(deployment, watched);
    return watched;
  }
}
