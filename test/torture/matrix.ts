import { type Failpoint, failpoints } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";
import { until } from "../demo/until.ts";
import { checkAll, checkOutputs, modelsOf, type Violations } from "./check.ts";
import { deleteFolder } from "./corrupt.ts";
import { beginServing, converge, reaches } from "./deployments.ts";
import { Load } from "./load.ts";
import { processorName, reached, type WorkerName, World } from "./world.ts";

export interface MatrixOptions {
  readonly seed: number;
  /** Default: all of them. */
  readonly points?: readonly Failpoint[];
  /** Told what happens. */
  readonly log?: (line: string) => void;
}

export interface MatrixResult {
  readonly ok: boolean;
  readonly violations: number;
  readonly points: number;
  /** At how many of them a process died. */
  readonly kills: number;
  /** Input records. */
  readonly records: number;
  readonly seed: number;
  /** With violations: what differs, and the folder in which everything was kept. */
  readonly examples: Violations;
  readonly folder?: string;
}

/** Little: what counts is where a process dies. */
const recordsPerSecond = 50;
/** Until a process dies at the point that it was given. */
const deathMs = 30_000;
const recoveryMs = 120_000;
const attempts = 3;

/** Of points that are passed all the time: not at the beginning. */
const third: ReadonlySet<Failpoint> = new Set<Failpoint>([
  ...failpoints.commit,
  ...failpoints.flush,
  "checkpoint-flushed",
  "checkpoint-scanned",
  "checkpoint-rows-stored",
  "checkpoint-written",
  "checkpoints-pruned",
]);
/** Reached only by a task whose local store is gone. */
const withoutStore: ReadonlySet<Failpoint> = new Set<Failpoint>([
  "store-discarded",
  "restore-begun",
  "rows-restored",
  "checkpoint-restored",
  "delta-applied",
  "deltas-applied",
]);
const isIn = (group: readonly Failpoint[], point: Failpoint): boolean => group.includes(point);

/** A process dies at every failpoint, one after the other, on one Kafka under load; then everything that is left is compared, as after torture. */
export async function matrix(options: MatrixOptions): Promise<MatrixResult> {
  const log = options.log ?? (() => undefined);
  const points = options.points ?? (Object.values(failpoints).flat() as Failpoint[]);
  const world = await World.open(log);
  const violations: Violations = [];
  let finished = false;
  let kills = 0;
  const load = new Load(world, options.seed, recordsPerSecond);
  try {
    const run = new MatrixRun(world, await beginServing(world));
    for (const point of points) {
      const started = performance.now();
      const died = await run.dieAt(point);
      if (died) kills++;
      else violations.push(`${point}: no process ever came there`);
      await run.recover();
      const seen = await world.read();
      const wrong = checkOutputs(seen, modelsOf(seen), true);
      violations.push(...wrong.map((each) => `after ${point}: ${each}`));
      log(
        `${point}: ${died ? "died and recovered" : "NOT REACHED"}, ${wrong.length} violations, ${Math.round(performance.now() - started)} ms`,
      );
      if (wrong.length > 0) break;
    }
    await load.stop();
    violations.push(...(await converge(world, run.deployments)));
    if (violations.length === 0) violations.push(...(await checkAll(world, run.deployments)));
    finished = true;
    const { records } = load;
    return {
      ...{ ok: violations.length === 0, violations: violations.length, points: points.length, kills, records, seed: options.seed },
      examples: violations.slice(0, 20),
      ...(violations.length === 0 ? {} : { folder: world.folder }),
    };
  } finally {
    await load.stop().catch(() => undefined);
    await world.close({ keepFolder: !finished || violations.length > 0 });
  }
}

class MatrixRun {
  readonly deployments: readonly [string, string];
  readonly #world: World;

  constructor(world: World, deployments: readonly [string, string]) {
    this.#world = world;
    this.deployments = deployments;
  }

  /** False: nobody came there, however often it was tried. */
  async dieAt(point: Failpoint): Promise<boolean> {
    for (let attempt = 1; attempt <= attempts; attempt++) {
      if (await this.#tryAt(point)) return true;
      await this.recover();
    }
    return false;
  }

  #tryAt(point: Failpoint): Promise<boolean> {
    if (isIn(["base-written", "live-committed"], point)) return this.#goingLive(point, "worker");
    if (isIn(["after-created", "after-topics"], point)) return this.#goingLive(point, "controller");
    if (isIn(failpoints.deployment, point)) return this.#retiring(point);
    if (point === "session-fenced") return this.#leaving(point);
    if (point === "session-parked") return this.#leaving(point, "after-fence");
    if (point === "publishing-began") return this.#takingOver(point);
    if (isIn(failpoints.cutover, point)) return this.#cuttingOver(point);
    if (point.startsWith("revoke-")) return this.#sharing(point);
    return this.#running(point);
  }

  /** Everybody runs without a failpoint, and the publisher has committed what was in its inputs. */
  async recover(): Promise<void> {
    const world = this.#world;
    const [first, second] = this.deployments;
    world.startController();
    for (const slot of [0, 1]) world.startWorker({ deployment: first, slot });
    world.startWorker({ deployment: second, slot: 0 });
    const ends = await world.ends();
    for (const id of this.deployments) {
      await until(`${id} to have recovered`, recoveryMs, async () => {
        const records = await world.commitRecords(id).catch(() => []);
        return records.length > 0 && reached(records, ends) ? true : undefined;
      });
    }
    await until("no cutover to be under way", recoveryMs, async () => ((await this.#processor()).pending === undefined ? true : undefined));
  }

  /** A worker of the publisher, in what it does all the time, or when it starts. */
  async #running(point: Failpoint): Promise<boolean> {
    const world = this.#world;
    const worker = { deployment: await this.#publisher(), slot: 0 };
    await world.killWorker(worker);
    if (withoutStore.has(point)) deleteFolder(world.stateFolder(worker));
    world.startWorker(worker, { REPRISE_FAILPOINT: third.has(point) ? `${point}*3` : point });
    return await this.#died(point, worker);
  }

  /** One worker has all tasks, and gives some of them to another one. */
  async #sharing(point: Failpoint): Promise<boolean> {
    const world = this.#world;
    const deployment = await this.#publisher();
    const [giver, taker] = [0, 1].map((slot) => ({ deployment, slot })) as [
      { deployment: string; slot: number },
      { deployment: string; slot: number },
    ];
    await world.stopWorker(taker);
    await world.killWorker(giver);
    world.startWorker(giver, { REPRISE_FAILPOINT: point });
    const ends = await world.ends();
    // Until then it has taken over what the other one had.
    await until(`${deployment} to run on one worker`, recoveryMs, async () =>
      reached(await world.commitRecords(deployment), ends) ? true : undefined,
    );
    world.startWorker(taker);
    return await this.#died(point, giver);
  }

  /** A third deployment builds and goes live; it is retired again. */
  async #goingLive(point: Failpoint, who: "worker" | "controller"): Promise<boolean> {
    const world = this.#world;
    if (who === "controller") await this.#armController(point);
    // The answer of a controller that dies is lost: what it decided counts.
    await world.deploy().catch(ifAway);
    const id = await until("a third deployment", recoveryMs, () => this.#third().catch(() => undefined));
    const worker = { deployment: id, slot: 0 };
    world.startWorker(worker, who === "worker" ? { REPRISE_FAILPOINT: point } : {});
    const died = await this.#died(point, who === "worker" ? worker : undefined);
    await reaches(world, id, "CaughtUp");
    await this.#retire(id);
    return died;
  }

  async #retiring(point: Failpoint): Promise<boolean> {
    const world = this.#world;
    const id = await world.deploy();
    world.startWorker({ deployment: id, slot: 0 });
    await reaches(world, id, "CaughtUp");
    await this.#armController(point);
    await this.#retire(id);
    return await this.#died(point);
  }

  async #retire(id: string): Promise<void> {
    const world = this.#world;
    await world.client.retire(id).catch(ifAway);
    // It sees that it is to end, and does so by itself.
    await world.stopWorker({ deployment: id, slot: 0 });
    await reaches(world, id, "Retired");
  }

  async #cuttingOver(point: Failpoint): Promise<boolean> {
    await this.#armController(point);
    await this.#cutover();
    return await this.#died(point);
  }

  /** Workers of the publisher, while it is cut away from; with `controller`, the cutover stands still at this point for a while. */
  async #leaving(point: Failpoint, controller?: Failpoint): Promise<boolean> {
    const world = this.#world;
    const worker = { deployment: await this.#publisher(), slot: 0 };
    if (controller !== undefined) await this.#armController(controller);
    await world.killWorker(worker);
    const before = await world.ends();
    world.startWorker(worker, { REPRISE_FAILPOINT: point });
    await until("the armed worker to work", recoveryMs, async () =>
      reached(await world.commitRecords(worker.deployment), before) ? true : undefined,
    );
    await this.#cutover();
    return await this.#died(point, worker);
  }

  /** A worker of the follower, while it becomes the publisher. */
  async #takingOver(point: Failpoint): Promise<boolean> {
    const world = this.#world;
    const publisher = await this.#publisher();
    const worker = { deployment: this.deployments.find((id) => id !== publisher) as string, slot: 0 };
    await world.killWorker(worker);
    world.startWorker(worker, { REPRISE_FAILPOINT: point });
    await this.#cutover();
    return await this.#died(point, worker);
  }

  async #cutover(): Promise<void> {
    const publisher = await this.#publisher();
    const to = this.deployments.find((id) => id !== publisher) as string;
    await this.#world.client.cutover(processorName, { to, force: ["not-caught-up"] }).catch(ifAway);
  }

  async #armController(point: Failpoint): Promise<void> {
    await this.#world.killController();
    this.#world.startController({ REPRISE_FAILPOINT: point });
    await until("the armed controller to answer", recoveryMs, () => this.#world.client.status().catch(() => undefined));
  }

  /** The worker, or the controller, came there in time. */
  async #died(point: Failpoint, worker?: WorkerName): Promise<boolean> {
    return await until(`a process to die at ${point}`, deathMs, async () =>
      (await this.#world.diedAt(point, worker)) ? true : undefined,
    ).catch(() => false);
  }

  async #processor() {
    const found = (await this.#world.status()).processors.find(({ name }) => name === processorName);
    if (found === undefined) throw new Error(`the controller does not know ${processorName}`);
    return found;
  }

  async #publisher(): Promise<string> {
    return (await this.#processor()).publisher as string;
  }

  async #third(): Promise<string | undefined> {
    const { deployments } = await this.#world.status();
    return deployments.find(({ id, state }) => !this.deployments.includes(id) && !["Retiring", "Retired", "Aborted"].includes(state))?.id;
  }
}

function ifAway(error: unknown): void {
  if (!RepriseError.is(error) || error.code !== "CONTROLLER_UNREACHABLE") throw error;
}
