import { randomUUID } from "node:crypto";
import { type ControlRecord, type ControlState, type DeploymentSpec, failpoint, groupOf } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";
import type { ControllerContext } from "./controller-context.ts";
import { planCutover } from "./decide/plan-cutover.ts";
import { planRetire } from "./decide/plan-retire.ts";
import type { TopicDescription } from "./cluster.ts";
import { createClockTopic, createRouteTopics } from "./deploy/create-topics.ts";
import { readDeployRequest } from "./deploy/deploy-request.ts";
import { ownRoutes } from "./deploy/plan-routes.ts";
import { planDeploy } from "./deploy/plan-deploy.ts";
import type { CommandOptions, CutoverAnswer, CutoverRequest, DeployAnswer, DeployRequest, RetireAnswer } from "./http/status.ts";
import { lagLimitMs } from "./observe/observer.ts";

/**
 * The operator's verbs. Each writes one event and returns; what follows from it is the reconciler's. The same idempotency key again
 * has no further effect and answers as the first time.
 */
export class Commands {
  readonly #context: ControllerContext;

  constructor(context: ControllerContext) {
    this.#context = context;
  }

  /** @throws RepriseError INVALID_NAME, INVALID_DECLARATION, INVALID_ARGUMENT, TOPIC_MISSING, PARTITIONS_DIFFER, VERSION_FROZEN, DECLARATION_CONFLICT */
  async deploy(request: DeployRequest, options: CommandOptions): Promise<DeployAnswer> {
    this.#context.requireLead();
    const wish = readDeployRequest(request);
    const { inputs, broadcasts, routes, clock } = wish.manifest;
    const { cluster } = this.#context;
    await createClockTopic(wish.manifest, cluster);
    const read = [...inputs, ...broadcasts, ...routes.map(({ source }) => source), ...(clock === undefined ? [] : [clock.topic])];
    let topics = await cluster.describeTopics(read);
    const key = options.idempotencyKey ?? randomUUID();
    if (this.#before(key, "DeploymentCreated") === undefined) {
      const { deployment } = planDeploy(this.#context.state, wish, topics);
      await this.#checkGroup(groupOf(deployment.id), deployment.inputs[0]);
      for (const { topic, source } of ownRoutes(deployment)) await this.#checkGroup(topic, source);
      if (deployment.routes !== undefined) {
        await createRouteTopics(ownRoutes(deployment), cluster);
        topics = await cluster.describeTopics([...read, ...deployment.routes.map(({ topic }) => topic)]);
      }
    }
    const answer = await this.#context.decide<DeployAnswer>((state) => {
      const before = this.#before(key, "DeploymentCreated");
      if (before?.event.type === "DeploymentCreated") {
        const { deployment, publishes } = before.event;
        return { done: { deployment: deployment.id, publishes, revision: state.applied.get(key) as number } };
      }
      checkRevision(state, options);
      // Planned anew: another deployment may have been created since.
      const event = planDeploy(state, wish, topics);
      requireCreated(event.deployment, topics);
      return {
        event,
        idempotencyKey: key,
        ...by(options),
        answer: (revision) => ({ deployment: event.deployment.id, publishes: event.publishes, revision }),
      };
    });
    failpoint("after-created");
    return answer;
  }

  /** @throws RepriseError PROCESSOR_UNKNOWN, DEPLOYMENT_UNKNOWN, CUTOVER_IN_PROGRESS, ILLEGAL_STATE, NOT_CAUGHT_UP */
  async cutover(processor: string, kind: "cutover" | "rollback", request: CutoverRequest, options: CommandOptions): Promise<CutoverAnswer> {
    const key = options.idempotencyKey ?? randomUUID();
    const answer = await this.#context.decide<CutoverAnswer>((state) => {
      const before = this.#before(key, "CutoverIntended");
      if (before?.event.type === "CutoverIntended") {
        const { cutover, from, to } = before.event;
        return { done: { cutover, from, to, revision: state.applied.get(key) as number } };
      }
      checkRevision(state, options);
      const event = planCutover(state, {
        processor,
        kind,
        ...(request.to === undefined ? {} : { to: request.to }),
        force: request.force ?? [],
        lagMs: (deployment) => this.#lagMs(deployment),
        lagLimitMs,
      });
      const { cutover, from, to } = event;
      return { event, idempotencyKey: key, ...by(options), answer: (revision) => ({ cutover, from, to, revision }) };
    });
    failpoint("after-intent");
    return answer;
  }

  /** @throws RepriseError DEPLOYMENT_UNKNOWN, ILLEGAL_STATE */
  async retire(deployment: string, options: CommandOptions): Promise<RetireAnswer> {
    const key = options.idempotencyKey ?? randomUUID();
    const answer = await this.#context.decide<RetireAnswer>((state) => {
      const before = this.#before(key, "DeploymentStateChanged");
      if (before?.event.type === "DeploymentStateChanged") {
        return { done: { deployment: before.event.deployment, revision: state.applied.get(key) as number } };
      }
      checkRevision(state, options);
      const event = planRetire(state, deployment);
      return { event, idempotencyKey: key, ...by(options), answer: (revision) => ({ deployment, revision }) };
    });
    failpoint("after-retiring");
    return answer;
  }

  #before(key: string, type: ControlRecord["event"]["type"]): ControlRecord | undefined {
    const before = this.#context.controlLog.history.command(key);
    if (before === undefined || before.event.type === type) return before;
    throw new RepriseError("INVALID_ARGUMENT", `The idempotency key '${key}' was used for another command (${before.event.type}).`, {
      details: { idempotencyKey: key },
    });
  }

  #lagMs(deployment: string): number | null {
    const seen = this.#context.observer.observation(deployment);
    return (seen?.publisherLag ?? seen?.lag)?.ms ?? null;
  }

  /** A group that has offsets already is somebody else's: its members would fight with ours. */
  async #checkGroup(group: string, lead: { readonly topic: string; readonly partitions: number } | undefined): Promise<void> {
    if (lead === undefined) return;
    const partitions = Array.from({ length: lead.partitions }, (_, partition) => ({ topic: lead.topic, partition }));
    const [taken] = await this.#context.cluster.offsets.committed(group, partitions);
    if (taken === undefined) return;
    throw new RepriseError(
      "DECLARATION_CONFLICT",
      `The consumer group '${group}' has committed offsets already, but no such deployment was ever created: is the control topic another one?`,
      {
        details: { group, topic: taken.topic, partition: taken.partition },
      },
    );
  }
}

/** Another deployment of the same version was created at the same moment, and has the internal topics that were made for this one. */
function requireCreated(deployment: DeploymentSpec, topics: ReadonlyMap<string, TopicDescription>): void {
  const { id, routes = [] } = deployment;
  const missing = routes.find(({ topic }) => !topics.has(topic));
  if (missing === undefined) return;
  if (!ownRoutes(deployment).includes(missing)) {
    throw new RepriseError("TOPIC_MISSING", `The internal topic '${missing.topic}', which '${id}' would share, does not exist any more.`, {
      details: { deployment: id, topic: missing.topic },
    });
  }
  throw new RepriseError(
    "REVISION_CONFLICT",
    `'${id}' can't be created: another deployment of this version was created just now. Deploy again.`,
    {
      details: { deployment: id, topic: missing.topic },
    },
  );
}

function by({ by }: CommandOptions): { by?: string } {
  return by === undefined ? {} : { by };
}

function checkRevision(state: ControlState, { expectedRevision }: CommandOptions): void {
  if (expectedRevision === undefined || expectedRevision === state.revision) return;
  throw new RepriseError("REVISION_CONFLICT", `The control log is at revision ${state.revision}, not ${expectedRevision}.`, {
    details: { revision: state.revision, expectedRevision },
  });
}
