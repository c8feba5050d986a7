import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { RepriseError } from "@reprise/schema";
import { checkAll, type Violations } from "./check.ts";
import { deleteFolder, flipBits } from "./corrupt.ts";
import { beginServing, converge } from "./deployments.ts";
import { Load } from "./load.ts";
import { type Fault, type PlannedFault, planFaults } from "./plan.ts";
import { Recovery } from "./recovery.ts";
import { processorName, slots, type WorkerName, World } from "./world.ts";

export interface TortureOptions {
  readonly seconds: number;
  readonly seed: number;
  /** Default 250. */
  readonly recordsPerSecond?: number;
  /** Told what happens. */
  readonly log?: (line: string) => void;
}

export interface TortureResult {
  readonly ok: boolean;
  readonly violations: number;
  readonly kills: number;
  readonly freezes: number;
  readonly brokerRestarts: number;
  readonly recoveryMsP50: number;
  readonly recoveryMsP99: number;
  /** Input records. */
  readonly records: number;
  readonly outputs: number;
  /** How often a process ended by itself, as one does that can't reach a broker for long. */
  readonly selfEnded: number;
  /** How often each fault took effect. */
  readonly faults: { readonly [kind: string]: number };
  readonly seed: number;
  readonly seconds: number;
  /** With violations: what differs, and the folder in which everything was kept. */
  readonly examples: Violations;
  readonly folder?: string;
}

/** Two deployments of the ledger under load and faults, then everything that is left of it compared. @throws when it did not even begin */
export async function torture(options: TortureOptions): Promise<TortureResult> {
  const { seconds, seed, recordsPerSecond = 250 } = options;
  const log = options.log ?? (() => undefined);
  let selfEnded = 0;
  const world = await World.open((line) => {
    selfEnded++;
    log(line);
  });
  let violations: Violations = [];
  let finished = false;
  const load = new Load(world, seed, recordsPerSecond);
  const closers: (() => Promise<unknown>)[] = [() => load.stop()];
  try {
    const deployments = await beginServing(world);
    const recovery = new Recovery(world, deployments);
    closers.push(() => recovery.stop());
    const tormentor = new Tormentor(world, load, deployments, recovery, log);
    await tormentor.run(planFaults(seed, seconds));
    await load.stop();
    await tormentor.calm();
    log("no more faults; waiting for everything to be processed");
    const late = await converge(world, deployments);
    await recovery.stop();
    violations = late.length > 0 ? late : await checkAll(world, deployments);
    finished = true;
    const outputs = [...world.witness.seen.values()].flat().reduce((sum, lines) => sum + lines.length, 0);
    return {
      ok: violations.length === 0,
      violations: violations.length,
      kills: tormentor.count("kill"),
      freezes: tormentor.count("freeze"),
      brokerRestarts: tormentor.count("broker"),
      recoveryMsP50: recovery.percentileMs(0.5),
      recoveryMsP99: recovery.percentileMs(0.99),
      ...{ records: load.records, outputs, selfEnded, faults: tormentor.counts, seed, seconds, examples: violations.slice(0, 20) },
      ...(violations.length === 0 ? {} : { folder: world.folder }),
    };
  } finally {
    for (const close of closers.reverse()) await close().catch(() => undefined);
    await world.close({ keepFolder: !finished || violations.length > 0 });
  }
}

/** Does the faults, one after the other; a freeze goes on in the background. */
class Tormentor {
  readonly counts: { [kind: string]: number } = {};
  readonly #world: World;
  readonly #load: Load;
  readonly #deployments: readonly [string, string];
  readonly #recovery: Recovery;
  readonly #log: (line: string) => void;
  readonly #frozen = new Map<string, Promise<unknown>>();
  #delayed: NodeJS.Timeout | undefined;

  constructor(world: World, load: Load, deployments: readonly [string, string], recovery: Recovery, log: (line: string) => void) {
    this.#world = world;
    this.#load = load;
    this.#deployments = deployments;
    this.#recovery = recovery;
    this.#log = log;
  }

  count(kind: Fault["kind"]): number {
    return this.counts[kind] ?? 0;
  }

  async run(faults: readonly PlannedFault[]): Promise<void> {
    const started = performance.now();
    for (const { atMs, fault } of faults) {
      const early = atMs - (performance.now() - started);
      if (early > 0) await sleep(early);
      const took = await this.#do(fault);
      this.#log(`${Math.round(performance.now() - started)} ms: ${JSON.stringify(fault)}${took ? "" : ": nobody was there"}`);
      if (took) this.counts[fault.kind] = this.count(fault.kind) + 1;
    }
  }

  /** Everything works again, and every deployment has workers. */
  async calm(): Promise<void> {
    clearTimeout(this.#delayed);
    this.#world.proxy.disarm();
    await Promise.all(this.#frozen.values());
    this.#world.startController();
    for (const deployment of this.#deployments) this.#world.startWorker({ deployment, slot: 0 });
  }

  #do(fault: Fault): Promise<boolean> {
    const { proxy } = this.#world;
    switch (fault.kind) {
      case "kill":
        return this.#kill(fault.state, fault.pick);
      case "freeze":
        return this.#freeze(fault.ms, fault.pick);
      case "broker":
        return this.#restartBroker(fault.awayMs);
      case "controller":
        return this.#restartController(fault.awayMs);
      case "cut":
        return this.#recovery.from(async () => {
          proxy.cutAll();
          return true;
        });
      case "refuse":
        return this.#recovery.from(async () => {
          proxy.refuse();
          await sleep(fault.ms);
          proxy.admit();
          return true;
        });
      case "delay":
        proxy.delay(fault.eachMs);
        clearTimeout(this.#delayed);
        this.#delayed = setTimeout(() => proxy.delay(0), fault.ms);
        return Promise.resolve(true);
      case "request":
        proxy.trap(fault.api, fault.fault, fault.ms);
        return Promise.resolve(true);
      case "scale":
        return this.#scale(fault.workers, fault.pick);
      case "cutover":
        return this.#cutover(fault.force);
    }
  }

  #anybody(pick: number): WorkerName | undefined {
    const all = this.#deployments.flatMap((deployment) => this.#world.workersOf(deployment));
    return all[Math.floor(pick * all.length)];
  }

  async #kill(state: "kept" | "deleted" | "corrupted", pick: number): Promise<boolean> {
    const worker = this.#anybody(pick);
    if (worker === undefined) return false;
    return await this.#recovery.from(async () => {
      if (!(await this.#world.killWorker(worker))) return false;
      const folder = this.#world.stateFolder(worker);
      if (state === "deleted") deleteFolder(folder);
      if (state === "corrupted" && existsSync(folder)) flipBits(folder, pick);
      this.#world.startWorker(worker);
      return true;
    });
  }

  async #freeze(ms: number, pick: number): Promise<boolean> {
    const worker = this.#anybody(pick);
    const pid = worker === undefined ? undefined : this.#world.pidOf(worker);
    if (worker === undefined || pid === undefined || this.#frozen.has(String(pid))) return false;
    const frozen = this.#world.freezeWorker(worker, ms);
    const ended = this.#recovery.from(() => frozen).catch(() => undefined);
    this.#frozen.set(
      String(pid),
      ended.finally(() => this.#frozen.delete(String(pid))),
    );
    return true;
  }

  async #restartBroker(awayMs: number): Promise<boolean> {
    const { broker } = this.#world;
    await this.#load.pause();
    await this.#recovery.from(async () => {
      await broker.kill("SIGKILL");
      await sleep(awayMs);
      await broker.restart();
    });
    this.#load.resume();
    return true;
  }

  async #restartController(awayMs: number): Promise<boolean> {
    await this.#world.killController();
    await sleep(awayMs);
    this.#world.startController();
    return true;
  }

  /** So many workers of one of the two, from now on: clean stops, and new ones. */
  async #scale(workers: number, pick: number): Promise<boolean> {
    const deployment = this.#deployments[pick < 0.7 ? 0 : 1];
    for (const worker of this.#world.workersOf(deployment)) if (worker.slot >= workers) await this.#world.stopWorker(worker);
    for (let slot = 0; slot < Math.min(workers, slots); slot++) this.#world.startWorker({ deployment, slot });
    return true;
  }

  async #cutover(force: boolean): Promise<boolean> {
    try {
      const processor = (await this.#world.status()).processors.find(({ name }) => name === processorName);
      const to = this.#deployments.find((id) => id !== processor?.publisher);
      if (to === undefined) return false;
      await this.#world.client.cutover(processorName, { to, ...(force ? { force: ["not-caught-up"] } : {}) });
      return true;
    } catch (error) {
      // Behind, another cutover under way, the controller away: all of them are answers.
      if (RepriseError.is(error)) {
        this.#log(`cutover refused: ${error.code}`);
        return false;
      }
      throw error;
    }
  }
}
