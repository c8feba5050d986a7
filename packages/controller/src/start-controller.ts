import { hostname } from "node:os";
import { openCheckpointStore } from "@reprise/checkpoint";
import { controllerTransactionalId, controlTopic, type LogReader, statusTopic, systemClock } from "@reprise/engine";
import type { KafkaConnectionOptions } from "@reprise/kafka";
import { RepriseError } from "@reprise/schema";
import { type Logger, pino } from "pino";
import { Clocks } from "./clocks.ts";
import { Commands } from "./commands.ts";
import { ControlLog } from "./control/control-log.ts";
import { StatusBoard } from "./control/status-board.ts";
import { TopicTail, type TopicTailOptions } from "./control/topic-tail.ts";
import { ControllerContext } from "./controller-context.ts";
import { ControllerMetrics } from "./controller-metrics.ts";
import { QueryGateway } from "./gateway/query-gateway.ts";
import { createServer } from "./http/server.ts";
import { createInternalTopics } from "./internal-topics.ts";
import { WakeUp } from "./internal/wake-up.ts";
import { kafkaCluster } from "./kafka-cluster.ts";
import { LeaderLoop } from "./leader-loop.ts";
import { Observer } from "./observe/observer.ts";
import { Reconciler } from "./reconciler.ts";

export interface ControllerOptions extends KafkaConnectionOptions {
  /** Default 127.0.0.1: commands need no password, so nobody else should reach them. */
  readonly host?: string;
  /** Default 7070; 0: a free one. */
  readonly port?: number;
  /** What workers and clients are told; default: `http://HOST:PORT`. */
  readonly publicUrl?: string;
  /** A folder, or `s3://bucket/prefix`, where checkpoints of retired deployments are removed. None: they are left. */
  readonly checkpointFolder?: string;
  /** How long the lag must have been small before a deployment counts as caught up. Default 10,000 ms. */
  readonly stabilityMs?: number;
  /** Between two looks at Kafka. Default 150 ms. */
  readonly intervalMs?: number;
  /** Lead at once, and fence whoever leads. For development, where a restarted controller is the only one. Default false. */
  readonly takeOver?: boolean;
  readonly logger?: Logger;
}

export interface RunningController {
  readonly url: string;
  /** Whether it leads now; another one may have replaced it a moment ago. */
  readonly leading: boolean;
  /** Ends it and lets the next one lead at once. */
  close(): Promise<void>;
}

const reachableTimeoutMs = 30_000;

/**
 * Runs one controller: it leads as soon as no other one does. Everything it decides is on the control log before it acts, so it may be
 * killed at any moment; the next one goes on from there.
 * @throws RepriseError BROKER_UNREACHABLE, INVALID_ARGUMENT (the port is taken)
 */
export async function startController(options: ControllerOptions): Promise<RunningController> {
  const logger = options.logger ?? pino({ name: "controller", level: process.env.REPRISE_LOG_LEVEL ?? "info" });
  const cluster = kafkaCluster(options);
  const closers: (() => Promise<void>)[] = [() => cluster.close()];
  const closeAll = async (): Promise<void> => {
    for (const close of closers.toReversed()) await close().catch((error: unknown) => logger.warn({ err: error }, "closing"));
  };
  try {
    return await start(options, cluster, logger, closers, closeAll);
  } catch (error) {
    await closeAll();
    throw error;
  }
}

async function start(
  options: ControllerOptions,
  cluster: ReturnType<typeof kafkaCluster>,
  logger: Logger,
  closers: (() => Promise<void>)[],
  closeAll: () => Promise<void>,
): Promise<RunningController> {
  const { stabilityMs = 10_000, intervalMs = 150, takeOver = false } = options;
  await cluster.waitReachable(reachableTimeoutMs);
  await createInternalTopics(cluster);

  let fatal: unknown;
  const wakeUp = new WakeUp(systemClock);
  const [controlReader, statusReader] = await Promise.all([cluster.openReader(), cluster.openReader()]);
  closers.push(
    () => controlReader.close(),
    () => statusReader.close(),
  );
  const tailOf = (topic: string, reader: LogReader) => (onRecord: TopicTailOptions["onRecord"]) =>
    new TopicTail({
      clock: systemClock,
      reader,
      partition: { topic, partition: 0 },
      from: 0,
      endOffset: async () => (await cluster.ends([{ topic, partition: 0 }]))[0]?.lastStable ?? 0,
      onRecord,
      onFailure: (error) => {
        logger.fatal({ err: error, topic }, "an internal topic can't be read any more");
        fatal = error;
        wakeUp.wake();
      },
    });
  const writer = cluster.openWriter(controllerTransactionalId);
  const recordWriter = cluster.openRecordWriter();
  closers.push(() => recordWriter.close());
  const controlLog = new ControlLog({
    clock: systemClock,
    tail: tailOf(controlTopic, controlReader),
    writer,
    onChange: () => wakeUp.wake(),
  });
  const board = new StatusBoard({ clock: systemClock, tail: tailOf(statusTopic, statusReader), writer: recordWriter });
  closers.push(
    () => controlLog.stop(),
    () => board.stop(),
  );
  await Promise.all([controlLog.start(), board.start()]);

  const observer = new Observer(cluster, systemClock);
  const context = new ControllerContext({
    clock: systemClock,
    cluster,
    controlLog,
    board,
    observer,
    logger,
    self: `controller@${hostname()}/${process.pid}`,
  });
  const checkpoints = options.checkpointFolder === undefined ? undefined : openCheckpointStore(options.checkpointFolder);
  const reconciler = new Reconciler(context, {
    stabilityMs,
    removeCheckpoints: async (deployment) => checkpoints?.removeDeployment(deployment),
  });
  closers.push(() => reconciler.stop());

  let url = "";
  const app = createServer({
    context,
    commands: new Commands(context),
    gateway: new QueryGateway({
      state: () => context.state,
      generation: (processor) => controlLog.history.generation(processor),
      workers: (deployment) => board.workers(deployment),
    }),
    metrics: new ControllerMetrics(context),
    fatal: () => fatal,
    stabilityMs,
    url: () => url,
  });
  closers.push(async () => app.close());
  const address = await listen(app, options.host ?? "127.0.0.1", options.port ?? 7070);
  url = options.publicUrl ?? address;

  const loop = new LeaderLoop({
    clock: systemClock,
    context,
    reconciler,
    clocks: new Clocks(recordWriter, logger),
    wakeUp,
    intervalMs,
    takeOver,
    url,
    fatal: () => fatal,
  });
  loop.start();
  closers.push(async () => {
    await loop.stop();
    const led = context.leading;
    context.stepDown();
    if (led) await board.leave();
  });
  return {
    url,
    get leading() {
      return context.leading;
    },
    close: closeAll,
  };
}

async function listen(app: ReturnType<typeof createServer>, host: string, port: number): Promise<string> {
  try {
    return await app.listen({ host, port });
  } catch (error) {
    if ((error as { code?: string }).code !== "EADDRINUSE") throw error;
    throw new RepriseError("INVALID_ARGUMENT", `Port ${port} of ${host} is in use; choose another one with --port.`, {
      details: { host, port },
      cause: error,
    });
  }
}
