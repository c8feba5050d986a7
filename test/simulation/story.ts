import { setImmediate as turn } from "node:timers/promises";
import {
  ControlLogTail,
  decodeCommitRecord,
  defaultLimits,
  deltaTopicOf,
  groupOf,
  type DeploymentSpec,
  type SessionOptions,
} from "@reprise/engine";
import { openTaskStore } from "../../packages/engine/src/session/open-task.ts";
import { metaRowKey } from "../../packages/engine/src/state/row-key.ts";
import { decodeMeta, type TaskMeta } from "../../packages/engine/src/task/task-meta.ts";
import { type ErrorCode, RepriseError } from "@reprise/schema";
import type { Rows } from "../../packages/engine/test/support/memory-store.ts";
import type { Random } from "../support/random.ts";
import { checkOutputs, checkRows, type Undisturbed, undisturbed, type World } from "./end-check.ts";
import { Faults } from "./faults.ts";
import { Invariants } from "./invariants.ts";
import { Scheduler } from "./scheduler.ts";
import { SimController } from "./sim-controller.ts";
import { SimKafka } from "./sim-kafka.ts";
import {
  checkpointName,
  type Disk,
  type SimCheckpoint,
  simCheckpoints,
  simGroupOffsets,
  simOffsets,
  SimReader,
  simStateEngine,
} from "./sim-ports.ts";
import { SimProcess } from "./sim-process.ts";
import { SimWorker } from "./sim-worker.ts";
import { Violation } from "./violation.ts";
import { Feeder, inputTopics, versionOf } from "./workload.ts";

export interface StoryOptions {
  readonly seed: number;
  /** Only these faults; undefined: all that the seed brings. */
  readonly only?: ReadonlySet<string>;
  /** Told what happens, for people who look for why. */
  readonly trace?: (line: string) => void;
}

export interface StoryResult {
  readonly seed: number;
  readonly violation: Violation | undefined;
  /** What was done to it, by name. */
  readonly faults: readonly string[];
  readonly events: number;
  readonly commits: number;
  readonly records: number;
  readonly cutovers: number;
  readonly virtualMs: number;
}

/** Virtual time for everything to come to rest once no more faults come: several back-offs of a session, and a takeover of the controller. */
const restMs = 180_000;

/** One run, from an empty Kafka to the end of all input: a function of the seed, and of the faults that are allowed. */
export async function story(options: StoryOptions): Promise<StoryResult> {
  return await new Story(options).run();
}

type Fault = (place: string, kinds: { readonly [kind: string]: number }) => string | undefined;

class Story {
  private readonly seed: number;
  private readonly scheduler = new Scheduler();
  private readonly faults: Faults;
  private readonly random: Random;
  private readonly kafka: SimKafka;
  private readonly invariants: Invariants;
  private readonly world: World;
  private readonly feeder: Feeder;
  private readonly operator: SimProcess;
  private readonly checkpoints = new Map<string, SimCheckpoint>();
  private readonly disks = new Map<string, Disk>();
  private readonly snapshots = new Map<string, Disk>();
  private readonly workers = new Map<string, SimWorker>();
  private readonly controllers = new Map<string, SimController>();
  private readonly lives = new Map<string, number>();
  /** Slots that are not to be started again. */
  private readonly down = new Set<string>();
  private readonly calmAtMs: number;
  private readonly limits: { readonly [name: string]: number };
  private readonly columnRecords: number;
  private violation: Violation | undefined;
  private scriptDone = false;
  private nowMs = 0;
  private readonly tell: ((line: string) => void) | undefined;
  private readonly fault: Fault = (place, kinds) => this.faults.at(place, kinds);

  constructor({ seed, only, trace }: StoryOptions) {
    this.seed = seed;
    this.tell = trace;
    const plain = new Faults(seed, 0);
    this.random = plain.random("story");
    const { random, scheduler } = this;
    this.faults = new Faults(seed, random.pick([0.3, 1, 1, 2, 4]), only);
    const partitions = random.pick([1, 2, 2, 3]);
    const inputs = inputTopics.slice(0, random.pick([1, 1, 1, 2]));
    this.kafka = new SimKafka(scheduler, plain.random("kafka"), {
      transactionTimeoutMs: 500,
      sessionTimeoutMs: 500,
      refusesInRebalance: random.chance(0.5),
    });
    this.invariants = new Invariants(
      (violation) => {
        this.violation ??= violation;
      },
      (event) => {
        this.trace(() => `control: ${JSON.stringify(event)}`);
        this.controlChanged();
      },
    );
    this.kafka.trace = (line) => this.trace(line);
    this.kafka.onCommitted = (transaction) => {
      this.trace(
        () =>
          `${transaction.transactionalId} commits ${[...transaction.offsets.values()].map(({ offset }) => `${offset.partition}@${offset.offset} ${offset.metadata.slice(0, 40)}`).join("; ")}`,
      );
      this.invariants.committed(transaction);
    };
    this.world = { kafka: this.kafka, invariants: this.invariants, inputs, partitions };
    for (const topic of inputs) this.kafka.createTopic(topic, partitions);
    this.feeder = new Feeder(this.kafka, plain.random("feed"), inputs, partitions);
    this.operator = new SimProcess("operator", scheduler, plain);
    this.calmAtMs = random.pick([700, 1300, 2200]);
    this.columnRecords = random.pick([1, 5, 100]);
    this.limits = {
      buildingCommitIntervalMs: random.pick([30, 100]),
      flushIntervalMs: random.pick([1, 60, 10_000]),
      checkpointIntervalMs: random.pick([50, 200, 10_000]),
      maxCachedKeysPerTask: random.pick([0, 2, 1000]),
      batchRecords: random.pick([1, 5, 100]),
      followIntervalMs: random.pick([30, 60]),
      keptCheckpoints: random.pick([1, 2]),
    };
  }

  async run(): Promise<StoryResult> {
    const { scheduler } = this;
    try {
      await this.play();
    } catch (error) {
      this.violation ??=
        error instanceof Violation
          ? error
          : new Violation("error", error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
    const over = [...this.invariants.control.processors.values()].flatMap(({ intervals }) => intervals).length - 1;
    // What still waits must not be heard of in the next run.
    for (const { options } of this.workers.values()) options.process.kill();
    for (const { process } of this.controllers.values()) process.kill();
    return {
      seed: this.seed,
      violation: this.violation,
      faults: this.faults.injected,
      events: scheduler.events,
      commits: this.invariants.commits,
      records: this.feeder.written,
      cutovers: Math.max(0, over),
      virtualMs: Math.round(scheduler.nowMs),
    };
  }

  private async play(): Promise<void> {
    const { scheduler, random } = this;
    this.feeder.feed(random.below(60));
    this.startController("c0", true);
    if (random.chance(0.3)) this.startController("c1", false);
    this.feedFrom(5, random.pick([60, 120, 250]));
    this.plan();
    scheduler.at(this.calmAtMs, () => {
      this.faults.over = true;
    });
    // Only when whoever was frozen is awake and has seen all there is: what comes later than one waits for it may be merged in another order.
    scheduler.at(this.calmAtMs + 2500, () => {
      this.nowMs = Number.MAX_SAFE_INTEGER;
    });
    void this.script().then(
      () => {
        this.scriptDone = true;
      },
      (error: unknown) => {
        this.violation ??= error instanceof Violation ? error : new Violation("operator", String(error));
      },
    );
    await scheduler.run(() => this.violation !== undefined || this.atRest(), this.calmAtMs + restMs);
    if (this.violation !== undefined) return;
    if (!this.atRest()) throw new Violation("liveness", this.describe());
    await this.checkEnd();
  }

  private feedFrom(atMs: number, left: number): void {
    if (left <= 0 || atMs > this.calmAtMs) return;
    this.scheduler.at(atMs, () => {
      const count = Math.min(left, 1 + this.random.below(8));
      this.feeder.feed(count);
      this.feedFrom(atMs + this.random.pick([5, 20, 60, 150]), left - count);
    });
  }

  private trace(line: () => string): void {
    this.tell?.(`${this.scheduler.nowMs.toFixed(1)} ${line()}`);
  }

  // ---- processes

  private place(name: string): string {
    const life = (this.lives.get(name) ?? 0) + 1;
    this.lives.set(name, life);
    return life === 1 ? name : `${name}.${life}`;
  }

  private startController(name: string, takeOver: boolean): void {
    const process = new SimProcess(this.place(name), this.scheduler, this.faults);
    const controller = new SimController({
      process,
      kafka: this.kafka,
      checkpoints: this.checkpoints,
      takeOver,
      stabilityMs: 150,
      fault: this.fault,
    });
    this.controllers.set(name, controller);
    process.onEnd(() => {
      const random = this.faults.random(`${process.name} again`);
      this.scheduler.after(30 + random.below(300), () => this.startController(name, random.chance(0.7)));
    });
  }

  private controlChanged(): void {
    for (const { spec, state } of this.invariants.control.deployments.values()) {
      if (state === "Planned") continue;
      for (let slot = 0; slot < spec.workers; slot++) {
        const name = `v${spec.version}/${slot}`;
        if (this.lives.has(name)) continue;
        this.lives.set(name, 0);
        this.scheduler.after(1 + this.random.below(50), () => this.startWorker(spec, slot));
      }
    }
  }

  private startWorker(spec: DeploymentSpec, slot: number, twin = false): void {
    const name = `v${spec.version}/${slot}`;
    if (this.down.has(name) && !twin) return;
    const process = new SimProcess(this.place(name), this.scheduler, this.faults);
    const disk = twin ? new Map() : this.diskOf(name, process.name);
    this.trace(() => `${process.name} starts`);
    process.trace = (line) => this.trace(line);
    process.onEnd(() => this.trace(() => `${process.name} ends`));
    const worker = new SimWorker({
      process,
      kafka: this.kafka,
      spec,
      processor: versionOf(spec.version, this.world.inputs.length).processor,
      slot,
      disk,
      checkpoints: this.checkpoints,
      limits: this.limits,
      columnRecords: this.columnRecords,
      nowMs: () => this.nowMs,
      fault: this.fault,
      taskFailed: (error) => {
        this.violation ??= new Violation("liveness", `a task of ${process.name} has stopped for good: ${String(error)}`);
      },
    });
    if (twin) {
      this.scheduler.after(400, () => process.kill());
      worker.done.catch(() => undefined);
      return;
    }
    this.workers.set(name, worker);
    const again = (): void => {
      if (this.workers.get(name) !== worker) return;
      this.scheduler.after(20 + this.faults.random(`${process.name} again`).below(400), () => {
        if (this.workers.get(name) === worker) this.startWorker(spec, slot);
      });
    };
    process.onEnd(again);
    worker.done.then(
      () => process.kill(),
      (error: unknown) => {
        // What no session cures ends the process; whether it was right to is for whoever knows that nothing was lost.
        if (!String(error).includes("simulated"))
          this.violation ??= new Violation(
            "liveness",
            `${process.name} ends: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
          );
        process.kill();
      },
    );
  }

  /** What a new process finds: all that was written, nothing, or an older state of it. */
  private diskOf(name: string, life: string): Disk {
    const disk = this.disks.get(name) ?? new Map();
    const copy = (from: Disk): Disk => new Map([...from].map(([folder, rows]) => [folder, new Map(rows)]));
    const kind = this.faults.at(`${life} disk`, { lost: 150, older: 100 });
    const found = kind === "lost" ? new Map() : kind === "older" ? copy(this.snapshots.get(name) ?? new Map()) : disk;
    this.disks.set(name, found);
    return found;
  }

  // ---- faults that come by the clock

  private plan(): void {
    const random = new Faults(this.seed, 0).random("plan");
    const count = random.below(10);
    for (let i = 0; i < count; i++) {
      const atMs = Math.round(50 + random.next() * (this.calmAtMs - 100));
      const kind = random.pick([
        "kill-worker",
        "kill-worker",
        "kill-controller",
        "freeze-worker",
        "stop-worker",
        "twin",
        "trim",
        "forget",
        "snapshot",
        "snapshot",
      ]);
      const which = random.below(1000);
      this.scheduler.at(atMs, () => this.strike(`@${atMs} ${kind} ${which}`, kind, which));
    }
  }

  private strike(name: string, kind: string, which: number): void {
    const slots = [...this.workers.keys()].filter((slot) => this.workers.get(slot)?.options.process.alive);
    const slot = slots[which % Math.max(1, slots.length)];
    const worker = slot === undefined ? undefined : this.workers.get(slot);
    if (worker === undefined || slot === undefined || !this.faults.allow(name)) return;
    const { process, spec } = worker.options;
    switch (kind) {
      case "kill-worker":
        return process.kill();
      case "kill-controller":
        return [...this.controllers.values()][which % this.controllers.size]?.process.kill();
      case "freeze-worker":
        return process.freeze(300 + (which % 5) * 300);
      case "stop-worker":
        return worker.stop();
      case "twin":
        return this.startWorker(spec, worker.options.slot, true);
      case "snapshot":
        this.snapshots.set(slot, new Map([...worker.options.disk].map(([folder, rows]) => [folder, new Map(rows)])));
        return;
      case "forget":
        return this.forgetCheckpoints(spec.id);
      case "trim":
        return this.trimDeltas(spec.id);
    }
  }

  private checkpointsOf(deployment: string, partition: number): SimCheckpoint[] {
    return [...this.checkpoints.values()]
      .filter(({ manifest }) => manifest.deployment === deployment && manifest.partition === partition)
      .sort((a, b) => a.manifest.n - b.manifest.n);
  }

  /** Older checkpoints than the newest that Kafka's commit record covers go. */
  private forgetCheckpoints(deployment: string): void {
    for (let partition = 0; partition < this.world.partitions; partition++) {
      const n = this.recordOf(deployment, partition)?.n ?? -1;
      const kept = this.checkpointsOf(deployment, partition).findLast(({ manifest }) => manifest.n <= n);
      for (const { manifest } of this.checkpointsOf(deployment, partition))
        if (kept !== undefined && manifest.n < kept.manifest.n) this.checkpoints.delete(checkpointName(manifest));
    }
  }

  /** Deltas below the oldest checkpoint go. */
  private trimDeltas(deployment: string): void {
    for (let partition = 0; partition < this.world.partitions; partition++) {
      const [oldest] = this.checkpointsOf(deployment, partition);
      const meta = oldest === undefined ? undefined : decodeMeta(oldest.manifest.meta);
      const topic = this.kafka.topics.get(deltaTopicOf(deployment))?.partitions[partition];
      if (meta === undefined || topic === undefined || meta.n > (this.recordOf(deployment, partition)?.n ?? -1)) continue;
      topic.logStart = Math.max(topic.logStart, Math.min(meta.deltaFrom, topic.stable));
    }
  }

  private recordOf(deployment: string, partition: number) {
    const found = this.kafka.committed.get(`${groupOf(deployment)} ${this.world.inputs[0]}-${partition}`);
    return found === undefined ? undefined : decodeCommitRecord(found.metadata);
  }

  // ---- the operator

  private async script(): Promise<void> {
    const { random } = this;
    await this.deploy(1);
    await this.pause(random.below(250));
    await this.deploy(2);
    await this.pause(random.below(250));
    await this.cutover("cutover", 2);
    if (random.chance(0.6)) {
      await this.pause(random.below(500));
      await this.cutover("rollback");
      if (random.chance(0.5)) {
        await this.pause(random.below(300));
        await this.cutover("cutover", 2);
      }
    }
    if (random.chance(0.2)) {
      await this.deploy(3);
      await this.pause(random.below(300));
      await this.cutover("cutover", 3);
    }
  }

  private pause(ms: number): Promise<void> {
    return this.operator.clock.sleep(ms);
  }

  private deploy(version: number): Promise<void> {
    const { manifest } = versionOf(version, this.world.inputs.length);
    const workers = this.random.pick([1, 2, 2, 3]);
    const request = { manifest, artifact: String(version).repeat(64), workers, commitIntervalMs: this.random.pick([10, 30, 100]) };
    return this.command(`deploy ${version}`, (controller, key) => controller.commands?.deploy(request, { idempotencyKey: key }));
  }

  private async cutover(kind: "cutover" | "rollback", to?: number): Promise<void> {
    const force = kind === "cutover" && this.random.chance(0.25) ? ["not-caught-up"] : [];
    await this.command(`${kind} ${to ?? ""}`, (controller, key) =>
      controller.commands?.cutover("sim", kind, { ...(to === undefined ? {} : { to }), force }, { idempotencyKey: key }),
    );
  }

  private asked = 0;

  /** As a client does it: the same command under the same key, again and again, to whoever leads. */
  private async command(name: string, ask: (controller: SimController, key: string) => Promise<unknown> | undefined): Promise<void> {
    const key = `${++this.asked} ${name}`;
    // A controller that was replaced and has not noticed refuses by what it knows.
    const later: ReadonlySet<string> = new Set<ErrorCode>([
      ...(["NOT_LEADER", "NOT_CAUGHT_UP", "CUTOVER_IN_PROGRESS", "ILLEGAL_STATE", "KAFKA_FAILED", "REVISION_CONFLICT"] as const),
      ...(["PROCESSOR_UNKNOWN", "DEPLOYMENT_UNKNOWN"] as const),
    ]);
    for (;;) {
      for (const controller of [...this.controllers.values()]) {
        if (!controller.process.alive || controller.context?.leading !== true) continue;
        const asked = ask(controller, key);
        if (asked === undefined) continue;
        try {
          const answer = await Promise.race([asked, this.pause(500)]);
          if (answer !== undefined) return;
        } catch (error) {
          if (!RepriseError.is(error) || !later.has(error.code)) throw error;
        }
      }
      await this.pause(25);
    }
  }

  // ---- the end

  private atRest(): boolean {
    const { control, decided } = this.invariants;
    if (!this.faults.over || !this.scriptDone) return false;
    if (this.scheduler.nowMs < this.calmAtMs + (this.world.inputs.length > 1 ? 2500 : 50)) return false;
    for (const { pending } of control.processors.values()) if (pending !== undefined) return false;
    for (const { spec } of control.deployments.values()) {
      for (let partition = 0; partition < this.world.partitions; partition++) {
        const record = decided.get(`${spec.id}/${partition}`);
        if (record?.mode !== "live") return false;
        for (const topic of this.world.inputs) {
          const log = this.kafka.partition({ topic, partition });
          if (record.position[topic] !== log.entries.length || log.stable !== log.entries.length) return false;
        }
      }
    }
    return true;
  }

  private describe(): string {
    const { control, decided } = this.invariants;
    const lines = [
      `nothing more happens after ${Math.round(this.scheduler.nowMs)} ms`,
      this.scriptDone ? "" : `the operator's ${this.asked}. command was not taken`,
    ];
    for (const { pending } of control.processors.values()) if (pending !== undefined) lines.push(`pending: ${JSON.stringify(pending)}`);
    for (const { spec, state } of control.deployments.values()) {
      lines.push(`${spec.id} is ${state}; group: ${this.kafka.group(groupOf(spec.id), this.world.inputs[0] as string).describe()}`);
      for (let partition = 0; partition < this.world.partitions; partition++) {
        const record = decided.get(`${spec.id}/${partition}`);
        lines.push(
          `  task ${partition}: ${record?.mode} ${record?.n} ${JSON.stringify(record?.position)} of ${this.world.inputs.map((topic) => this.kafka.partition({ topic, partition }).entries.length).join()}`,
        );
      }
    }
    return lines.filter((line) => line !== "").join("\n");
  }

  private async checkEnd(): Promise<void> {
    const { scheduler } = this;
    const { control } = this.invariants;
    for (const [name, worker] of this.workers) {
      this.down.add(name);
      worker.stop();
    }
    const left = (): SimWorker[] => [...this.workers.values()].filter(({ ended, options }) => !ended && options.process.alive);
    await scheduler.run(() => left().length === 0, scheduler.nowMs + 30_000);
    if (left().length > 0) {
      const names = left().map(({ options, doing }) => `${options.process.name} ${doing}`);
      throw new Violation("liveness", `does not stop: ${names.join("; ")}`);
    }
    await scheduler.run(() => false, scheduler.nowMs + 100);
    const runs = new Map<string, Undisturbed>();
    for (const { spec } of control.deployments.values())
      for (let partition = 0; partition < this.world.partitions; partition++)
        runs.set(`${spec.id}/${partition}`, await undisturbed(this.world, spec, partition));
    checkOutputs(this.world, "sim", runs);
    // From checkpoints and deltas alone, and from whatever any worker has left on its disk, each task has to come to where it stands.
    await this.checkRecovery("nothing", new Map(), runs);
    for (const [name, disk] of this.disks) await this.checkRecovery(name, disk, runs);
  }

  private async checkRecovery(from: string, left: Disk, runs: ReadonlyMap<string, Undisturbed>): Promise<void> {
    const { kafka } = this;
    const process = new SimProcess(`recovery from ${from}`, this.scheduler, this.faults);
    const disk: Disk = new Map();
    const folders = [...left].map(([folder, rows]) => ({ task: Number(folder.split("/")[1]), meta: metaOf(rows), rows }));
    let failed: unknown;
    let done = false;
    const work = async (): Promise<void> => {
      const systemReader = new SimReader(process, kafka);
      const control = new ControlLogTail(systemReader, simOffsets(process, kafka), process.clock);
      await control.readToEnd();
      for (const { spec } of this.invariants.control.deployments.values()) {
        const stateFolder = `recovered-${spec.id}`;
        const options = {
          clock: process.clock,
          spec,
          groupOffsets: simGroupOffsets(process, kafka),
          systemReader,
          control,
          offsets: simOffsets(process, kafka),
          stateEngine: simStateEngine(process, disk),
          stateFolder,
          checkpoints: simCheckpoints(process, this.checkpoints),
          limits: defaultLimits,
        } as unknown as SessionOptions;
        for (let partition = 0; partition < this.world.partitions; partition++) {
          const rest = folders.find(({ task, meta }) => task === partition && meta?.deployment === spec.id);
          if (rest === undefined && left.size > 0) continue;
          if (rest !== undefined) disk.set(`${stateFolder}/${partition}`, new Map(rest.rows));
          const opened = await openTaskStore(options, partition);
          const rows = disk.get(`${stateFolder}/${partition}`) ?? new Map();
          const what = `task ${spec.id}/${partition}, recovered from ${from} by ${opened.how},`;
          checkRows(what, partition, rows.values(), runs.get(`${spec.id}/${partition}`) as Undisturbed);
        }
      }
    };
    work().then(
      () => {
        done = true;
      },
      (error: unknown) => {
        failed = error;
        done = true;
      },
    );
    await this.scheduler.run(() => done, this.scheduler.nowMs + 60_000);
    await turn();
    if (!done) throw new Violation("liveness", "recovery from checkpoints and deltas does not come to an end");
    if (failed !== undefined) throw failed as Error;
  }
}

function metaOf(rows: Rows): TaskMeta | undefined {
  const bytes = rows.get(metaRowKey.toString("latin1"))?.value;
  return bytes === undefined ? undefined : decodeMeta(bytes);
}
