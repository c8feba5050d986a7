import {
  controllerTransactionalId,
  controlTopic,
  type ControlState,
  type LogReader,
  statusTopic,
  type TransactionalWriter,
} from "@reprise/engine";
import { Clocks } from "../../packages/controller/src/clocks.ts";
import type { Cluster } from "../../packages/controller/src/cluster.ts";
import { Commands } from "../../packages/controller/src/commands.ts";
import { ControlLog } from "../../packages/controller/src/control/control-log.ts";
import { StatusBoard } from "../../packages/controller/src/control/status-board.ts";
import { TopicTail, type TopicTailOptions } from "../../packages/controller/src/control/topic-tail.ts";
import { ControllerContext } from "../../packages/controller/src/controller-context.ts";
import { createInternalTopics } from "../../packages/controller/src/internal-topics.ts";
import { WakeUp } from "../../packages/controller/src/internal/wake-up.ts";
import { LeaderLoop } from "../../packages/controller/src/leader-loop.ts";
import { Observer } from "../../packages/controller/src/observe/observer.ts";
import { Reconciler } from "../../packages/controller/src/reconciler.ts";
import type { SimKafka } from "./sim-kafka.ts";
import { type SimCheckpoint, simCheckpoints, simGroupOffsets, SimReader, SimWriter } from "./sim-ports.ts";
import { mayFail, type SimProcess } from "./sim-process.ts";

export interface SimControllerOptions {
  readonly process: SimProcess;
  readonly kafka: SimKafka;
  readonly checkpoints: Map<string, SimCheckpoint>;
  readonly takeOver: boolean;
  readonly stabilityMs: number;
  readonly fault: (place: string, kinds: { readonly [kind: string]: number }) => string | undefined;
}

/** What the controller needs of Kafka, for a process that may die. */
function simCluster({ process, kafka, fault }: SimControllerOptions): Cluster {
  return {
    waitReachable: async () => undefined,
    openReader: async (): Promise<LogReader> => new SimReader(process, kafka),
    openWriter: (id): TransactionalWriter => new SimWriter(process, kafka, id, "", undefined, fault),
    openRecordWriter: () => ({
      send: (topic, partition, key, value, headers = [], timestampMs = process.clock.epochMs()) => {
        const copy = (bytes: Uint8Array | null): Buffer | null => (bytes === null ? null : Buffer.from(bytes));
        const record = { at: { topic, partition }, key: copy(key), value: copy(value), timestampMs, headers };
        return process.call("send", () => kafka.append([record]), mayFail);
      },
      close: async () => undefined,
    }),
    offsets: simGroupOffsets(process, kafka),
    describeTopics: (topics) =>
      process.call(
        "describe topics",
        () =>
          new Map(
            topics.flatMap((topic) => {
              const found = kafka.topics.get(topic);
              return found === undefined ? [] : [[topic, { topic, topicId: found.id, partitions: found.partitions.length }] as const];
            }),
          ),
        mayFail,
      ),
    createTopic: ({ topic, partitions }) => process.call("create topic", () => kafka.createTopic(topic, partitions), mayFail),
    deleteTopic: async () => undefined,
    deleteGroup: async () => undefined,
    fence: async (ids) => {
      await Promise.all(ids.map((id) => process.call("fence", () => kafka.fence(id), mayFail)));
    },
    ends: (partitions) =>
      process.call(
        "ends",
        () => partitions.map((at) => ({ logStart: kafka.partition(at).logStart, lastStable: kafka.partition(at).stable })),
        mayFail,
      ),
    close: async () => undefined,
  };
}

const silentLogger = { info() {}, warn() {}, error() {}, fatal() {} } as unknown as ControllerContext["logger"];

/** What `startController` puts together, without HTTP: the real control log, leader loop, reconciler and commands on a simulated Kafka. */
export class SimController {
  readonly process: SimProcess;
  commands: Commands | undefined;
  context: ControllerContext | undefined;
  private loop: LeaderLoop | undefined;
  private reconciler: Reconciler | undefined;

  constructor(options: SimControllerOptions) {
    this.process = options.process;
    void this.start(options).catch(() => options.process.kill());
  }

  get state(): ControlState | undefined {
    return this.context?.state;
  }

  private async start(options: SimControllerOptions): Promise<void> {
    const { process, kafka, takeOver, stabilityMs } = options;
    const { clock } = process;
    const cluster = simCluster(options);
    await createInternalTopics(cluster);
    const wakeUp = new WakeUp(clock);
    let fatal: unknown;
    const tailOf = (topic: string) => (onRecord: TopicTailOptions["onRecord"]) =>
      new TopicTail({
        clock,
        reader: new SimReader(process, kafka),
        partition: { topic, partition: 0 },
        from: 0,
        endOffset: async () => (await cluster.ends([{ topic, partition: 0 }]))[0]?.lastStable ?? 0,
        onRecord,
        onFailure: (error) => {
          fatal = error;
        },
      });
    const writer = cluster.openWriter(controllerTransactionalId);
    const recordWriter = cluster.openRecordWriter();
    const controlLog = new ControlLog({ clock, tail: tailOf(controlTopic), writer, onChange: () => wakeUp.wake() });
    const board = new StatusBoard({ clock, tail: tailOf(statusTopic), writer: recordWriter });
    await Promise.all([controlLog.start(), board.start()]);
    const context = new ControllerContext({
      clock,
      cluster,
      controlLog,
      board,
      observer: new Observer(cluster, clock),
      logger: silentLogger,
      self: process.name,
    });
    const checkpoints = simCheckpoints(process, options.checkpoints);
    this.reconciler = new Reconciler(context, { stabilityMs, removeCheckpoints: (deployment) => checkpoints.removeDeployment(deployment) });
    this.loop = new LeaderLoop({
      clock,
      context,
      reconciler: this.reconciler,
      clocks: new Clocks(recordWriter, silentLogger),
      wakeUp,
      intervalMs: 150,
      takeOver,
      url: `http://${process.name}`,
      fatal: () => fatal,
    });
    this.loop.start();
    this.context = context;
    this.commands = new Commands(context);
  }
}
