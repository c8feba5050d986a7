import { join } from "node:path";
import { openCheckpointStore } from "@reprise/checkpoint";
import {
  type CheckpointStore,
  defaultLimits,
  type DeployedRoute,
  groupOf,
  type GroupOffsets,
  type RunningTask,
  type RouteObserver,
  type RouteSession,
  Session,
  type SessionEnd,
  type StateStoreEngine,
  systemClock,
  type TaskHooks,
  transactionalIdOf,
} from "@reprise/engine";
import {
  createColumnarReader,
  createGroupOffsets,
  createMembership,
  createRecordProducer,
  createTransactionalWriter,
} from "@reprise/kafka";
import { createMetrics, type Metrics } from "@reprise/metrics";
import { RepriseError } from "@reprise/schema";
import { stateEngineNamed } from "@reprise/state";
import { type Logger, pino } from "pino";
import { startWorkerServer } from "./http/worker-server.ts";
import { Announcer } from "./internal/announcer.ts";
import { CloseList } from "./internal/close-list.ts";
import { lateRanges } from "./internal/late-log.ts";
import { openDeployment, type OpenDeployment } from "./internal/open-deployment.ts";
import { runRouteSession } from "./internal/run-route.ts";
import { runSessions } from "./internal/session-loop.ts";
import { Trust } from "./internal/trust.ts";
import { RouteMetrics } from "./route-metrics.ts";
import { sampleIntervalMs, WorkerMetrics } from "./worker-metrics.ts";
import type { WorkerOptions } from "./worker-options.ts";

export interface Worker {
  /** Where /healthz, /metrics and /views answer. */
  readonly url: string;
  /** Commits what is under way, leaves the group, closes the stores. */
  stop(): Promise<void>;
  /** Resolves when the worker has ended by itself: `retired`; rejects with what it can't go on from. */
  readonly done: Promise<"stopped" | "retired">;
}

/**
 * Starts a worker of a deployment: reads the control log, loads the artifact, checks the inputs, then runs sessions, one after the other, until it is
 * stopped or its deployment is retired.
 * @throws RepriseError ENGINE_MISSING · BROKER_UNREACHABLE · DEPLOYMENT_UNKNOWN · CONTROL_LOST · INVALID_ARGUMENT · VERSION_FROZEN · TOPIC_MISSING · TOPIC_RECREATED · PARTITIONS_CHANGED
 */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const opened = new CloseList();
  try {
    return await start(options, opened);
  } catch (error) {
    await opened.close();
    throw error;
  }
}

async function start(options: WorkerOptions, opened: CloseList): Promise<Worker> {
  const logger = (options.logger ?? pino()).child({ deployment: options.deployment, slot: options.slot });
  const deployed = await openDeployment({ ...options, clientId: `reprise-system-${options.deployment}-${options.slot}` }, opened);
  const { spec } = deployed;
  if (!Number.isInteger(options.slot) || options.slot < 0 || options.slot >= spec.maxSlots) {
    throw new RepriseError("INVALID_ARGUMENT", `slot ${options.slot} of ${spec.id} is not below its ${spec.maxSlots} slots`, {
      details: { slot: options.slot },
    });
  }
  const run = new WorkerRun({ ...deployed, options, logger, opened });
  await run.start();
  return run;
}

interface RunParts extends OpenDeployment {
  readonly options: WorkerOptions;
  readonly logger: Logger;
  /** What has to be closed at the end, whatever the end is. */
  readonly opened: CloseList;
}

class WorkerRun implements Worker {
  url = "";
  readonly done: Promise<"stopped" | "retired">;
  private readonly parts: RunParts;
  private readonly metrics: Metrics;
  private readonly workerMetrics: WorkerMetrics;
  /** One for all sessions: what is kept in memory outlives a session, not the process. */
  private readonly stateEngine: StateStoreEngine;
  private readonly checkpoints: CheckpointStore;
  private session: Session | undefined;
  /** The stages before rekeyed inputs, as far as sessions of them run. */
  private readonly routes = new Set<RouteSession>();
  private readonly routeSamplers: (() => void)[] = [];
  private stopping = new AbortController();
  private finish!: (how: "stopped" | "retired") => void;
  private fail!: (error: unknown) => void;

  constructor(parts: RunParts) {
    this.parts = parts;
    const { spec, logger } = parts;
    this.metrics = createMetrics({ defaultLabels: { processor: spec.processor, version: String(spec.version), deployment: spec.id } });
    this.workerMetrics = new WorkerMetrics(this.metrics, logger);
    this.stateEngine = stateEngineNamed(parts.options.stateEngine ?? "rocksdb");
    this.checkpoints = openCheckpointStore(parts.options.checkpointFolder);
    this.done = new Promise((resolve, reject) => {
      this.finish = resolve;
      this.fail = reject;
    });
    // Whoever does not look at `done` must not be killed by it.
    this.done.catch(() => undefined);
  }

  async start(): Promise<void> {
    const { options, spec, processor, opened } = this.parts;
    const groupOffsets = createGroupOffsets(options);
    opened.add(() => groupOffsets.close());
    const trust = new Trust(groupOffsets, spec.id, (spec.inputs[0] as { topic: string }).topic, () => this.session);
    opened.add(() => trust.stop());
    const server = await startWorkerServer({
      host: options.host ?? "127.0.0.1",
      port: options.port ?? 0,
      deployment: spec.id,
      processor,
      partitions: (spec.inputs[0] as { partitions: number }).partitions,
      stateEngine: this.stateEngine.name,
      metrics: this.metrics,
      workerMetrics: this.workerMetrics,
      session: () => this.session,
      mayAnswer: () => trust.mayAnswer,
    });
    opened.add(() => server.close());
    this.url = server.url;
    const producer = createRecordProducer(options);
    opened.add(() => producer.close());
    const announcer = new Announcer(producer, () => this.announcement(), this.parts.logger);
    opened.add(() => announcer.stop());
    this.workerMetrics.onTasksChanged = () => announcer.changed();
    const sampler = setInterval(() => this.sample(), sampleIntervalMs);
    opened.add(() => clearInterval(sampler));
    void this.run(groupOffsets);
  }

  /** Settles `done`, once everything is closed. */
  private async run(groupOffsets: GroupOffsets): Promise<void> {
    const { logger, opened } = this.parts;
    const end = await this.runStages(groupOffsets).then(
      (how) => () => this.finish(how),
      (error: unknown) => {
        logger.fatal({ err: error }, "worker ends");
        return () => this.fail(error);
      },
    );
    for (const error of await opened.close()) logger.warn({ err: error }, "closing failed");
    end();
  }

  /** The processor and the stages before it, until one of them ends: none goes on without the others. */
  private async runStages(groupOffsets: GroupOffsets): Promise<"stopped" | "retired"> {
    const main = this.runSessions(groupOffsets);
    const routes = (this.parts.spec.routes ?? []).map((deployed) => this.runRoute(deployed, groupOffsets));
    const all = [main, ...routes];
    try {
      await Promise.race(all);
    } finally {
      this.endAll();
      await Promise.allSettled(all);
    }
    const how = await Promise.all(all);
    return how.includes("retired") ? "retired" : "stopped";
  }

  private endAll(): void {
    this.stopping.abort();
    this.session?.stop();
    for (const route of this.routes) route.stop();
  }

  async stop(): Promise<void> {
    this.endAll();
    await this.done.catch(() => undefined);
  }

  private announcement() {
    const { options, spec } = this.parts;
    const tasks = this.session?.tasks ?? new Map<number, RunningTask>();
    const late = lateRanges([...tasks.values()].map(({ task }) => task));
    return {
      deployment: spec.id,
      slot: options.slot,
      url: this.url,
      pid: process.pid,
      stateEngine: this.stateEngine.name,
      tasks: [...tasks.keys()],
      failures: [...this.workerMetrics.failures.values()],
      ...this.workerMetrics.checkpointNews(),
      ...(late.length === 0 ? {} : { late }),
    };
  }

  private runSessions(groupOffsets: GroupOffsets): Promise<"stopped" | "retired"> {
    const { control, logger } = this.parts;
    const { signal } = this.stopping;
    return runSessions({
      clock: systemClock,
      runSession: () => this.runSession(groupOffsets),
      readControl: () => control.readToEnd(() => signal.aborted),
      intentsAway: () => this.intentsAway(),
      signal,
      ended: ({ reason, error, delayMs, expected }) => {
        if (error === undefined) logger.info({ reason, delayMs, expected }, "session ended; opening a new one");
        else logger.warn({ reason, delayMs, err: error }, "session failed; opening a new one");
        this.workerMetrics.sessionEnded(reason);
      },
    });
  }

  private sample(): void {
    if (this.session !== undefined) this.workerMetrics.sample(this.session);
    for (const sample of this.routeSamplers) sample();
  }

  private runRoute(deployed: DeployedRoute, groupOffsets: GroupOffsets): Promise<"stopped" | "retired"> {
    const { options, spec, processor, control, offsets } = this.parts;
    const { signal } = this.stopping;
    const logger = this.parts.logger.child({ rekey: deployed.name });
    let current: RouteSession | undefined;
    const metrics = new RouteMetrics(this.metrics, deployed.source.topic);
    this.routeSamplers.push(() => metrics.sample(current, Date.now()));
    const running = (session: RouteSession | undefined): void => {
      if (current !== undefined) this.routes.delete(current);
      current = session;
      if (session === undefined) return;
      this.routes.add(session);
      if (signal.aborted) session.stop();
    };
    const observer: RouteObserver = {
      opened: (partition, position) => logger.info({ partition, position }, "route opened"),
      routed: (topic, records) => this.workerMetrics.observer.published(topic, records),
    };
    return runSessions({
      clock: systemClock,
      runSession: () => runRouteSession({ options, spec, deployed, processor, control, offsets, groupOffsets, logger, observer, running }),
      readControl: () => control.readToEnd(() => signal.aborted),
      intentsAway: () => 0,
      signal,
      ended: ({ reason, error, delayMs }) => {
        logger.warn({ reason, delayMs, err: error }, "route session ended; opening a new one");
        this.workerMetrics.sessionEnded(reason);
      },
    });
  }

  /** Cutovers away from this deployment so far, the pending one included. */
  private intentsAway(): number {
    const { control, spec } = this.parts;
    const entry = control.state.processors.get(spec.processor);
    const closed = entry?.intervals.filter((i) => i.deployment === spec.id && i.to !== null).length ?? 0;
    return closed + (entry?.pending?.from === spec.id && entry.pending.at === undefined ? 1 : 0);
  }

  private async runSession(groupOffsets: GroupOffsets): Promise<SessionEnd> {
    const { options, spec, processor, control, offsets, systemReader, logger } = this.parts;
    // First: it is the one that may fail, and nothing else is open yet.
    const reader = await createColumnarReader({ ...options, clientId: `reprise-${spec.id}-${options.slot}` });
    const membership = createMembership({
      ...options,
      groupId: groupOf(spec.id),
      groupInstanceId: transactionalIdOf(spec.id, options.slot),
      topic: (spec.inputs[0] as { topic: string }).topic,
      ...(options.groupProtocol === undefined ? {} : { protocol: options.groupProtocol }),
      onOwnerless: (partitions) => logger.warn({ partitions }, "partitions belong to no worker; making the group rebalance"),
    });
    const writer = createTransactionalWriter({
      ...options,
      transactionalId: transactionalIdOf(spec.id, options.slot),
      consumer: membership.consumer,
    });
    this.session = new Session({
      clock: systemClock,
      spec,
      processor,
      writer,
      membership,
      groupOffsets,
      reader,
      openReader: () => createColumnarReader({ ...options, clientId: `reprise-${spec.id}-${options.slot}-tables` }),
      systemReader,
      control,
      offsets,
      stateEngine: this.stateEngine,
      stateFolder: join(options.stateFolder, spec.id, String(options.slot)),
      checkpoints: this.checkpoints,
      hooks: this.hooks(logger),
      limits: { ...defaultLimits, ...options.limits },
      observer: this.workerMetrics.observer,
    });
    if (this.stopping.signal.aborted) this.session.stop();
    try {
      return await this.session.run();
    } finally {
      this.session = undefined;
      await membership.leave().catch((error: unknown) => logger.warn({ err: error }, "leaving the group failed"));
      await writer.close().catch((error: unknown) => logger.warn({ err: error }, "closing the producer failed"));
      await reader.close().catch((error: unknown) => logger.warn({ err: error }, "closing the reader failed"));
    }
  }

  private hooks(logger: Logger): TaskHooks {
    const { definition, name } = this.parts.processor;
    // By the declaration, not by what a call happens to give: that would decide for all calls after it.
    const counters = new Map(
      Object.entries(definition.metrics).map(([metric, { help, labels }]) => [
        metric,
        this.metrics.userCounter(name, metric, help, Object.keys(labels)),
      ]),
    );
    return {
      nowMs: () => Date.now(),
      log: (level, message, fields) => logger[level]({ ...fields, source: "handler" }, message),
      count: (metric, labels, by) => counters.get(metric)?.inc(labels as never, by),
    };
  }
}
