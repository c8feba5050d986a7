import {
  ControlLogTail,
  type CompiledProcessor,
  type DeploymentSpec,
  defaultLimits,
  groupOf,
  Session,
  type SessionEnd,
  type SessionLimits,
  type SessionObserver,
  type SessionOptions,
  systemClock,
  transactionalIdOf,
} from "@reprise/engine";
import { RepriseError, type ErrorCode } from "@reprise/schema";
import { MemoryEngine, type MemoryStore, type Rows } from "./memory-store.ts";
import {
  type Fate,
  SimCheckpoints,
  type SimCheckpoint,
  type SimCluster,
  type SimGroup,
  SimProcess,
  SimReader,
  SimWriter,
} from "./sim-cluster.ts";

export const silentObserver: SessionObserver = {
  taskOpened() {},
  taskClosed() {},
  taskFailed() {},
  openingFailed() {},
  wentLive() {},
  startedPublishing() {},
  committed() {},
  published() {},
  stepped() {},
  checkpointed() {},
  checkpointFailed() {},
  deltasTruncated() {},
  deltasKept() {},
  storeDropped() {},
  scrubbed() {},
  scrubSucceeded() {},
};

export interface SimDeployment {
  readonly spec: DeploymentSpec;
  readonly processor: CompiledProcessor;
  readonly group: SimGroup;
}

export interface SimWorkerOptions {
  readonly cluster: SimCluster;
  readonly deployment: SimDeployment;
  readonly slot: number;
  readonly checkpoints: Map<string, SimCheckpoint>;
  /** Local disk of the slot: outlives the process. */
  readonly disk: Map<string, Rows>;
  readonly limits: Partial<SessionLimits>;
  readonly fate: () => Fate;
  readonly nowMs: () => number;
  readonly observer?: Partial<SessionObserver>;
  /** Told of every store that is opened: tests put faults into it. */
  readonly onOpen?: (store: MemoryStore, folder: string) => void;
}

const curable: ReadonlySet<ErrorCode> = new Set(["KAFKA_FAILED", "PRODUCER_FENCED", "STATE_CORRUPT", "CHECKPOINT_FAILED"]);

/** A worker process: session after session, until it is stopped, dies, or meets what no session cures. */
export class SimWorker {
  readonly process: SimProcess;
  session: Session | undefined;
  readonly ends: (SessionEnd | ErrorCode)[] = [];
  readonly done: Promise<"stopped" | "retired">;
  private readonly options: SimWorkerOptions;
  private stopping = false;
  /** What it does, for messages. */
  stage = "new";

  constructor(options: SimWorkerOptions) {
    this.options = options;
    this.process = new SimProcess(options.cluster);
    this.done = this.run();
    this.done.catch(() => undefined);
  }

  private async run(): Promise<"stopped" | "retired"> {
    const systemReader = new SimReader(this.process);
    const control = new ControlLogTail(systemReader, this.process.offsets);
    await control.readToEnd();
    const engine = new MemoryEngine(this.options.disk);
    engine.onOpen = (folder, store) => {
      const write = store.write.bind(store);
      store.write = (rows) => this.process.call(() => write(rows));
      this.options.onOpen?.(store, folder);
    };
    for (;;) {
      if (this.stopping) return "stopped";
      let end: SessionEnd | ErrorCode;
      try {
        end = await this.runSession(control, systemReader, engine);
      } catch (error) {
        if (!RepriseError.is(error) || !curable.has(error.code)) throw error;
        end = error.code;
      }
      this.ends.push(end);
      if (end === "stopped" || end === "retired") return end;
      await control
        .readToEnd(() => this.stopping)
        .catch((error: unknown) => {
          if (!this.stopping) throw error;
        });
    }
  }

  private async runSession(control: ControlLogTail, systemReader: SimReader, engine: MemoryEngine): Promise<SessionEnd> {
    const { options, process } = this;
    const { spec, processor, group } = options.deployment;
    const member = `${spec.id}/${options.slot}`;
    const membership = group.membership(member, process);
    const writer = new SimWriter(process, transactionalIdOf(spec.id, options.slot), groupOf(spec.id), (p) => group.owns(member, p));
    writer.fate = options.fate;
    const sessionOptions: SessionOptions = {
      clock: systemClock,
      spec,
      processor,
      writer,
      membership,
      groupOffsets: process.groupOffsets,
      reader: new SimReader(process),
      openReader: async () => new SimReader(process),
      systemReader,
      control,
      offsets: process.offsets,
      stateEngine: engine,
      stateFolder: `slot-${options.slot}`,
      checkpoints: new SimCheckpoints(process, options.checkpoints),
      hooks: { nowMs: options.nowMs, log() {}, count() {} },
      limits: { ...defaultLimits, followIntervalMs: 2, ...options.limits },
      observer: { ...silentObserver, ...options.observer },
    };
    this.session = new Session(sessionOptions);
    if (this.stopping) this.session.stop();
    try {
      this.stage = "runs";
      return await this.session.run();
    } finally {
      this.stage = "leaves";
      this.session = undefined;
      await membership.leave();
      await writer.close();
      this.stage = "between sessions";
    }
  }

  async stop(): Promise<void> {
    this.stopping = true;
    this.session?.stop();
    await this.done;
  }

  /** kill -9. */
  kill(): void {
    this.process.alive = false;
    // A dead process has no timers; ours would go on for as long as the tests do.
    (this.session as unknown as { poller: { stop(): void } } | undefined)?.poller.stop();
    const { deployment, slot } = this.options;
    deployment.group.dead(`${deployment.spec.id}/${slot}`);
  }
}
