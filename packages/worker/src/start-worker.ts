import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { localCheckpointStore } from "@reprise/checkpoint";
import {
  type CompiledProcessor,
  ControlLogTail,
  compileProcessor,
  defaultLimits,
  type DeploymentSpec,
  groupOf,
  type GroupOffsets,
  type LogReader,
  Session,
  type SessionEnd,
  type TaskHooks,
  type TopicOffsets,
  transactionalIdOf,
} from "@reprise/engine";
import {
  createAdmin,
  createColumnarReader,
  createGroupOffsets,
  createMembership,
  createRecordProducer,
  createTransactionalWriter,
} from "@reprise/kafka";
import { createMetrics, type Metrics } from "@reprise/metrics";
import { RepriseError } from "@reprise/schema";
import { memoryEngine, rocksDbEngine } from "@reprise/state";
import { type Logger, pino } from "pino";
import { checkInputs } from "./check-inputs.ts";
import { startWorkerServer } from "./http/worker-server.ts";
import { Announcer } from "./internal/announcer.ts";
import { RestartPolicy } from "./internal/restart-policy.ts";
import { topicOffsets } from "./internal/topic-offsets.ts";
import { Trust } from "./internal/trust.ts";
import { loadArtifact } from "./load-artifact.ts";
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

/** Errors that a new session may cure; everything else ends the process, so that somebody sees it. */
const curable = new Set<string>([
  "BROKER_UNREACHABLE",
  "KAFKA_FAILED",
  "PRODUCER_FENCED",
  "STATE_CORRUPT",
  "STATE_FAILED",
  "CHECKPOINT_FAILED",
]);

/**
 * Starts a worker of a deployment: reads the control log, loads the artifact, checks the inputs, then runs sessions, one after the other, until it is
 * stopped or its deployment is retired.
 * @throws RepriseError BROKER_UNREACHABLE · DEPLOYMENT_UNKNOWN · CONTROL_LOST · INVALID_ARGUMENT · VERSION_FROZEN · TOPIC_MISSING · TOPIC_RECREATED · PARTITIONS_CHANGED
 */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const logger = (options.logger ?? pino()).child({ deployment: options.deployment, slot: options.slot });
  const admin = createAdmin(options);
  await admin.waitReachable(options.reachableTimeoutMs ?? 30_000);
  const offsets = topicOffsets(admin);
  const systemReader = await createColumnarReader({ ...options, clientId: `reprise-system-${options.deployment}-${options.slot}` });
  const control = await openControl(systemReader, offsets);
  const entry = control.state.deployments.get(options.deployment);
  if (entry === undefined)
    throw new RepriseError("DEPLOYMENT_UNKNOWN", `there is no deployment ${options.deployment}`, {
      details: { deployment: options.deployment },
    });
  const { spec } = entry;
  if (!Number.isInteger(options.slot) || options.slot < 0 || options.slot >= spec.maxSlots) {
    throw new RepriseError("INVALID_ARGUMENT", `slot ${options.slot} of ${spec.id} is not below its ${spec.maxSlots} slots`, {
      details: { slot: options.slot },
    });
  }
  const processor = compileProcessor(await loadArtifact(options.artifactFolder, spec), spec.params);
  await checkInputs(spec, offsets);
  const run = new WorkerRun({ options, logger, spec, processor, control, offsets, systemReader, closeAdmin: () => admin.close() });
  await run.start();
  return run;
}

async function openControl(reader: LogReader, offsets: TopicOffsets): Promise<ControlLogTail> {
  const control = new ControlLogTail(reader, offsets);
  try {
    await control.readToEnd();
  } catch (cause) {
    if (RepriseError.is(cause) && cause.code === "TOPIC_MISSING")
      throw new RepriseError("CONTROL_LOST", "the control topic does not exist", { cause });
    throw cause;
  }
  return control;
}

interface RunParts {
  readonly options: WorkerOptions;
  readonly logger: Logger;
  readonly spec: DeploymentSpec;
  readonly processor: CompiledProcessor;
  readonly control: ControlLogTail;
  readonly offsets: TopicOffsets;
  readonly systemReader: LogReader;
  readonly closeAdmin: () => Promise<void>;
}

class WorkerRun implements Worker {
  url = "";
  readonly done: Promise<"stopped" | "retired">;
  private readonly parts: RunParts;
  private readonly metrics: Metrics;
  private readonly workerMetrics: WorkerMetrics;
  private session: Session | undefined;
  private stopping = new AbortController();
  private finish!: (how: "stopped" | "retired") => void;
  private fail!: (error: unknown) => void;

  constructor(parts: RunParts) {
    this.parts = parts;
    const { spec, logger } = parts;
    this.metrics = createMetrics({ defaultLabels: { processor: spec.processor, version: String(spec.version), deployment: spec.id } });
    this.workerMetrics = new WorkerMetrics(this.metrics, logger);
    this.done = new Promise((resolve, reject) => {
      this.finish = resolve;
      this.fail = reject;
    });
    // Whoever does not look at `done` must not be killed by it.
    this.done.catch(() => undefined);
  }

  async start(): Promise<void> {
    const { options, spec, processor } = this.parts;
    const groupOffsets = createGroupOffsets(options);
    const trust = new Trust(groupOffsets, spec.id, (spec.inputs[0] as { topic: string }).topic, () => this.session);
    const server = await startWorkerServer({
      host: options.host ?? "127.0.0.1",
      port: options.port ?? 0,
      deployment: spec.id,
      processor,
      partitions: (spec.inputs[0] as { partitions: number }).partitions,
      metrics: this.metrics,
      workerMetrics: this.workerMetrics,
      session: () => this.session,
      mayAnswer: () => trust.mayAnswer,
    });
    this.url = server.url;
    const producer = createRecordProducer(options);
    const announcer = new Announcer(producer, () => this.announcement(), this.parts.logger);
    this.workerMetrics.onTasksChanged = () => announcer.changed();
    const sampler = setInterval(() => this.session !== undefined && this.workerMetrics.sample(this.session), sampleIntervalMs);
    const close = async (): Promise<void> => {
      clearInterval(sampler);
      trust.stop();
      await announcer.stop();
      await producer.close();
      await server.close();
      await groupOffsets.close();
      await this.parts.systemReader.close();
      await this.parts.closeAdmin();
    };
    void this.runSessions(groupOffsets).then(
      async (how) => {
        await close();
        this.finish(how);
      },
      async (error: unknown) => {
        this.parts.logger.fatal({ err: error }, "worker ends");
        await close().catch(() => undefined);
        this.fail(error);
      },
    );
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    this.session?.stop();
    await this.done.catch(() => undefined);
  }

  private announcement() {
    const { options, spec } = this.parts;
    return {
      deployment: spec.id,
      slot: options.slot,
      url: this.url,
      pid: process.pid,
      tasks: [...(this.session?.tasks.keys() ?? [])],
      failures: [...this.workerMetrics.failures.values()],
    };
  }

  private async runSessions(groupOffsets: GroupOffsets): Promise<"stopped" | "retired"> {
    const policy = new RestartPolicy();
    for (;;) {
      if (this.stopping.signal.aborted) return "stopped";
      const started = performance.now();
      const intents = this.intentsAway();
      let end: SessionEnd | "failed";
      try {
        end = await this.runSession(groupOffsets);
      } catch (error) {
        if (!RepriseError.is(error) || !curable.has(error.code)) throw error;
        this.parts.logger.warn({ err: error }, "session failed; opening a new one");
        this.workerMetrics.sessionEnded(error.code);
        end = "failed";
      }
      if (end === "stopped" || end === "retired") return end;
      await this.parts.control.readToEnd();
      // The fence of a cutover away from us is no surprise: open anew at once, as its follower.
      const expected = end === "fenced" && this.intentsAway() > intents;
      const delayMs = policy.delayAfter(performance.now() - started, expected);
      this.parts.logger.info({ end, delayMs, expected }, "session ended");
      if (end === "fenced") this.workerMetrics.sessionEnded("PRODUCER_FENCED");
      await sleep(delayMs, undefined, { signal: this.stopping.signal }).catch(() => undefined);
    }
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
    const membership = createMembership({
      ...options,
      groupId: groupOf(spec.id),
      groupInstanceId: transactionalIdOf(spec.id, options.slot),
      topic: (spec.inputs[0] as { topic: string }).topic,
    });
    const writer = createTransactionalWriter({
      ...options,
      transactionalId: transactionalIdOf(spec.id, options.slot),
      consumer: membership.consumer,
    });
    const reader = await createColumnarReader({ ...options, clientId: `reprise-${spec.id}-${options.slot}` });
    this.session = new Session({
      spec,
      processor,
      writer,
      membership,
      groupOffsets,
      reader,
      systemReader,
      control,
      offsets,
      stateEngine: options.stateEngine === "memory" ? memoryEngine() : rocksDbEngine(),
      stateFolder: join(options.stateFolder, spec.id, String(options.slot)),
      checkpoints: localCheckpointStore({ folder: options.checkpointFolder }),
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
      await reader.close();
    }
  }

  private hooks(logger: Logger): TaskHooks {
    const { definition, name } = this.parts.processor;
    return {
      nowMs: () => Date.now(),
      log: (level, message, fields) => logger[level]({ ...fields, source: "handler" }, message),
      count: (metric, labels, by) => {
        const declared = definition.metrics[metric];
        this.metrics.userCounter(name, metric, declared?.help ?? metric, Object.keys(labels)).inc(labels as never, by);
      },
    };
  }
}
