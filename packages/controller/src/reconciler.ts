import { type ControlState, type DeploymentEntry, type DeploymentState, failpoint } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";
import type { ControllerContext } from "./controller-context.ts";
import { continueCutover } from "./cutover-steps.ts";
import { type DeploymentFacts, nextState } from "./decide/deployment-state.ts";
import { createTopicsOf } from "./deploy/create-topics.ts";
import { FailureWatch } from "./observe/failure-watch.ts";
import { continueRetire } from "./retire-steps.ts";

/** While a cutover is under way, outputs wait for it: look often. */
const cutoverPollMs = 20;
const retirePollMs = 500;

/**
 * Brings about what the control log says. Every pass starts from the fold and what Kafka says and remembers nothing that a restart
 * would miss; longer work runs beside the passes, one job per thing.
 */
export class Reconciler {
  readonly #context: ControllerContext;
  readonly #stabilityMs: number;
  readonly #removeCheckpoints: (deployment: string) => Promise<void>;
  readonly #failures = new FailureWatch();
  readonly #prepared = new Set<string>();
  readonly #jobs = new Map<string, Promise<void>>();
  #stopped = false;

  constructor(
    context: ControllerContext,
    options: { readonly stabilityMs: number; readonly removeCheckpoints: (deployment: string) => Promise<void> },
  ) {
    this.#context = context;
    this.#stabilityMs = options.stabilityMs;
    this.#removeCheckpoints = options.removeCheckpoints;
  }

  /** @throws RepriseError NOT_LEADER when this controller was replaced */
  async pass(): Promise<void> {
    const { observer, logger } = this.#context;
    this.#startJobs();
    for (const { deployment, error } of await observer.look(this.#context.state)) {
      logger.warn({ deployment, err: error }, "could not look at the deployment");
    }
    for (const entry of this.#context.state.deployments.values()) await this.#advance(entry);
    this.#startJobs();
  }

  /** Jobs end at their next step. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.allSettled(this.#jobs.values());
  }

  async #advance(entry: DeploymentEntry): Promise<void> {
    const { id } = entry.spec;
    const facts = this.#factsOf(entry);
    await this.#context.decide<void>((state) => {
      const now = state.deployments.get(id);
      const next = now === undefined ? undefined : nextState(state, now, facts);
      if (next === undefined) return { done: undefined };
      const event = { type: "DeploymentStateChanged", deployment: id, ...next } as const;
      return { event, idempotencyKey: `state/${id}/${state.revision}`, answer: () => undefined };
    });
  }

  #factsOf(entry: DeploymentEntry): DeploymentFacts {
    const { id } = entry.spec;
    const nowMs = this.#context.clock.epochMs();
    const workers = this.#context.board.workers(id, nowMs);
    const seen = this.#context.observer.observation(id);
    const tasks = seen?.tasks ?? [];
    return {
      prepared: this.#prepared.has(id),
      started: workers.length > 0 || tasks.some((task) => task.record !== undefined),
      allCommitted: tasks.length > 0 && tasks.every((task) => task.record !== undefined),
      caughtUp: seen?.steadySinceMs !== undefined && seen.atMs - seen.steadySinceMs >= this.#stabilityMs,
      ...this.#failures.assess(entry, workers, nowMs),
    };
  }

  #startJobs(): void {
    for (const entry of this.#context.state.deployments.values()) {
      const { id } = entry.spec;
      if (entry.state === "Planned" && !this.#prepared.has(id)) this.#job(`prepare ${id}`, () => this.#prepare(entry));
      if (entry.state === "Retiring") this.#job(`retire ${id}`, () => this.#retire(entry));
    }
    for (const { name, pending } of this.#context.state.processors.values()) {
      if (pending !== undefined) this.#job(`cutover ${pending.cutover}`, () => this.#cutover(name, pending.cutover));
    }
  }

  #job(name: string, work: () => Promise<void>): void {
    if (this.#jobs.has(name) || this.#stopped) return;
    const job = work()
      .catch(async (error: unknown) => {
        if (RepriseError.is(error) && error.code === "NOT_LEADER") return;
        this.#context.logger.error({ job: name, err: error }, "a step failed and will be tried again");
        await this.#context.clock.sleep(1_000);
      })
      .finally(() => this.#jobs.delete(name));
    this.#jobs.set(name, job);
  }

  async #prepare(entry: DeploymentEntry): Promise<void> {
    await createTopicsOf(entry.spec, this.#context.cluster);
    failpoint("after-topics");
    this.#prepared.add(entry.spec.id);
  }

  async #cutover(name: string, cutover: string): Promise<void> {
    const { cluster, observer } = this.#context;
    for (;;) {
      const processor = this.#context.state.processors.get(name);
      if (this.#stopped || !this.#context.leading || processor?.pending?.cutover !== cutover) return;
      await continueCutover(processor, {
        cluster,
        state: () => this.#context.state,
        tasks: (entry) => observer.tasks(entry),
        appendIf: (check, event, key) => this.#context.appendIf(check, event, key),
      });
      await this.#context.clock.sleep(cutoverPollMs);
    }
  }

  async #retire(entry: DeploymentEntry): Promise<void> {
    const { cluster, board } = this.#context;
    while (!this.#stopped && this.#context.leading) {
      const outcome = await continueRetire(entry, {
        cluster,
        removeCheckpoints: this.#removeCheckpoints,
        isShared: (topic) => isShared(this.#context.state, entry.spec.id, topic),
        workersLeft: (deployment) => board.workers(deployment).length,
        appendIf: (check, event, key) => this.#context.appendIf(check, event, key),
      });
      if (outcome === "retired") return;
      await this.#context.clock.sleep(retirePollMs);
    }
  }
}

/** Whether another deployment that goes on has this internal topic. */
function isShared(control: ControlState, deployment: string, topic: string): boolean {
  const over: readonly DeploymentState[] = ["Retiring", "Retired", "Aborted"];
  return [...control.deployments.values()].some(
    ({ spec, state }) => spec.id !== deployment && !over.includes(state) && spec.routes?.some((route) => route.topic === topic) === true,
  );
}
