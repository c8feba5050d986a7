import {
  type CompiledProcessor,
  ControlLogTail,
  type DeploymentSpec,
  defaultLimits,
  groupOf,
  Session,
  type SessionEnd,
  type SessionLimits,
  type SessionObserver,
  transactionalIdOf,
} from "@reprise/engine";
import { runSessions } from "../../packages/worker/src/internal/session-loop.ts";
import type { SimKafka } from "./sim-kafka.ts";
import {
  type Disk,
  type SimCheckpoint,
  simCheckpoints,
  simGroupOffsets,
  simOffsets,
  SimReader,
  simStateEngine,
  SimWriter,
} from "./sim-ports.ts";
import type { SimProcess } from "./sim-process.ts";

export interface SimWorkerOptions {
  readonly process: SimProcess;
  readonly kafka: SimKafka;
  readonly spec: DeploymentSpec;
  readonly processor: CompiledProcessor;
  readonly slot: number;
  readonly disk: Disk;
  readonly checkpoints: Map<string, SimCheckpoint>;
  readonly limits: Partial<SessionLimits>;
  readonly columnRecords: number;
  /** The wall clock that the merge of several inputs asks for. */
  readonly nowMs: () => number;
  readonly fault: (place: string, kinds: { readonly [kind: string]: number }) => string | undefined;
  /** A task has stopped for good: nothing that is simulated may bring this about. */
  readonly taskFailed: (error: unknown) => void;
}

/** What `start-worker` puts together, on simulated ports: the real session loop around real sessions. */
export class SimWorker {
  readonly options: SimWorkerOptions;
  session: Session | undefined;
  ended = false;
  /** For messages. */
  doing = "begins";
  /** Resolves when it ends by itself; rejects with what no session cures. */
  readonly done: Promise<"stopped" | "retired">;
  private readonly stopping = new AbortController();

  constructor(options: SimWorkerOptions) {
    this.options = options;
    this.done = this.run();
    const ended = (): void => {
      this.ended = true;
    };
    this.done.then(ended, ended);
  }

  get folder(): string {
    return `slot-${this.options.slot}`;
  }

  /** SIGTERM. */
  stop(): void {
    this.options.process.deliver(() => {
      this.stopping.abort();
      this.session?.stop();
    });
  }

  private async run(): Promise<"stopped" | "retired"> {
    const { process, kafka, spec } = this.options;
    const { signal } = this.stopping;
    const systemReader = new SimReader(process, kafka);
    const control = new ControlLogTail(systemReader, simOffsets(process, kafka), process.clock);
    // A worker that can't begin ends, and its supervisor starts it anew.
    for (;;) {
      try {
        await control.readToEnd(() => signal.aborted);
        break;
      } catch (error) {
        if (signal.aborted) return "stopped";
        if (!String(error).includes("simulated")) throw error;
        await process.clock.sleep(100);
      }
    }
    return await runSessions({
      clock: process.clock,
      runSession: () => this.runSession(control, systemReader),
      readControl: () => control.readToEnd(() => signal.aborted),
      intentsAway: () => {
        const entry = control.state.processors.get(spec.processor);
        const closed = entry?.intervals.filter((i) => i.deployment === spec.id && i.to !== null).length ?? 0;
        return closed + (entry?.pending?.from === spec.id && entry.pending.at === undefined ? 1 : 0);
      },
      signal,
      ended: () => undefined,
    });
  }

  private async runSession(control: ControlLogTail, systemReader: SimReader): Promise<SessionEnd> {
    const { process, kafka, spec, processor, slot, fault, columnRecords } = this.options;
    const id = transactionalIdOf(spec.id, slot);
    const membership = kafka.group(groupOf(spec.id), (spec.inputs[0] as { topic: string }).topic).membership(id, process);
    const writer = new SimWriter(process, kafka, id, groupOf(spec.id), membership.token, fault);
    const reader = new SimReader(process, kafka, columnRecords);
    const observer: SessionObserver = {
      taskOpened() {},
      taskClosed() {},
      taskFailed: (_partition, error) => this.options.taskFailed(error),
      wentLive() {},
      startedPublishing() {},
      committed() {},
      published() {},
      stepped() {},
      checkpointed() {},
      checkpointFailed() {},
      openingFailed: (_partition, error, final) => {
        if (final) this.options.taskFailed(error);
      },
      deltasTruncated() {},
      deltasKept() {},
      storeDropped: (_partition, { reason, message }) => {
        // Nothing damages a disk here: rows that are not those of their digest were written so.
        if (reason === "digest") this.options.taskFailed(new Error(message));
      },
      scrubbed() {},
      scrubSucceeded() {},
    };
    this.session = new Session({
      clock: process.clock,
      spec,
      processor,
      writer,
      membership,
      groupOffsets: simGroupOffsets(process, kafka),
      reader,
      openReader: async () => new SimReader(process, kafka, columnRecords),
      systemReader,
      control,
      offsets: simOffsets(process, kafka),
      stateEngine: simStateEngine(process, this.options.disk),
      stateFolder: this.folder,
      checkpoints: simCheckpoints(process, this.options.checkpoints),
      hooks: { nowMs: this.options.nowMs, log() {}, count() {} },
      limits: { ...defaultLimits, ...this.options.limits },
      observer,
    });
    if (this.stopping.signal.aborted) this.session.stop();
    this.doing = "runs a session";
    try {
      return await this.session.run();
    } finally {
      this.session = undefined;
      this.doing = "leaves the group";
      await membership.leave();
      this.doing = "closes the producer";
      await writer.close();
      await reader.close();
      this.doing = "is between sessions";
    }
  }
}
