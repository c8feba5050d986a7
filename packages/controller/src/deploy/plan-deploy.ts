import {
  type ControlEvent,
  type ControlState,
  type DeployedInput,
  type DeployedRoute,
  type DeploymentSpec,
  deadLetterTopicOf,
  type DeploymentEntry,
  planMigration,
  publisherOf,
  sharesRoutes,
} from "@reprise/engine";
import type { Manifest } from "@reprise/processor";
import { RepriseError } from "@reprise/schema";
import type { TopicDescription } from "../cluster.ts";
import type { DeployWish } from "./deploy-request.ts";
import { viewManifest } from "./manifest-view.ts";
import { plannedRoutes, sharedRoutes } from "./plan-routes.ts";

type Created = Extract<ControlEvent, { readonly type: "DeploymentCreated" }>;

/**
 * The deployment that a request leads to. Pure.
 * @throws RepriseError TOPIC_MISSING, PARTITIONS_DIFFER, VERSION_FROZEN, DECLARATION_CONFLICT, DEPLOYMENT_UNKNOWN, STATE_INCOMPATIBLE
 */
export function planDeploy(state: ControlState, wish: DeployWish, topics: ReadonlyMap<string, TopicDescription>): Created {
  const { manifest, artifact } = wish;
  const { name, version } = manifest;
  const same = [...state.deployments.values()].filter(({ spec }) => spec.processor === name && spec.version === version);
  const id = `${name}.v${version}.${same.length + 1}`;
  const routes = deployedRoutes(state, wish, id, topics);
  const inputs = deployedInputs(wish, routes, topics);
  const broadcasts = manifest.broadcasts.map((topic) => deployedInput(name, topic, topics));
  const frozen = same.find(({ spec }) => spec.artifact !== artifact);
  if (frozen !== undefined) {
    throw new RepriseError(
      "VERSION_FROZEN",
      `Version ${version} of '${name}' was deployed before (${frozen.spec.id}) with other code: artifact ${frozen.spec.artifact.slice(0, 12)}, now ${artifact.slice(0, 12)}.`,
      { details: { processor: name, version, deployed: frozen.spec.artifact, artifact } },
    );
  }
  checkOutputs(state, wish);
  checkLeadInput(state, wish);
  const deployment: DeploymentSpec = {
    id,
    processor: name,
    version,
    artifact,
    manifest: manifest.whole,
    params: wish.params,
    inputs,
    ...(broadcasts.length === 0 ? {} : { broadcasts }),
    ...(routes.length === 0 ? {} : { routes }),
    workers: wish.workers,
    maxSlots: wish.workers,
    start: wish.checkpointOf === undefined ? "earliest" : { checkpointOf: checkpointOf(state, wish, wish.checkpointOf, inputs, routes) },
    commitIntervalMs: wish.commitIntervalMs,
  };
  return { type: "DeploymentCreated", deployment, publishes: publisherOf(state, name) === undefined };
}

/** @throws RepriseError TOPIC_MISSING naming the source */
function deployedRoutes(
  state: ControlState,
  { manifest, routesOf }: DeployWish,
  id: string,
  topics: ReadonlyMap<string, TopicDescription>,
): readonly DeployedRoute[] {
  for (const { source } of manifest.routes) deployedInput(manifest.name, source, topics);
  if (routesOf === undefined) return plannedRoutes(manifest, id, topics);
  return sharedRoutes(manifest, deploymentNamed(state, manifest.name, routesOf, "routes").spec, topics);
}

/** The newest deployment of a processor by its id or version, as long as it has what belongs to it. */
function deploymentNamed(state: ControlState, name: string, wanted: string | number, what: string): DeploymentEntry {
  const all = [...state.deployments.values()].filter(({ spec }) => spec.processor === name);
  const found = all.findLast(({ spec }) => spec.id === wanted || String(spec.version) === String(wanted).replace(/^v/, ""));
  if (found !== undefined && found.state !== "Retiring" && found.state !== "Retired") return found;
  const there = all.filter((one) => one.state !== "Retired").map(({ spec }) => spec.id);
  throw new RepriseError(
    "DEPLOYMENT_UNKNOWN",
    `There is no deployment '${wanted}' of '${name}' with ${what}; there are ${there.join(", ") || "none"}.`,
    { details: { processor: name, wanted } },
  );
}

/** Internal topics that are not created yet have no topic id: what is planned with them is only to be looked at. */
function deployedInputs(
  wish: DeployWish,
  routes: readonly DeployedRoute[],
  topics: ReadonlyMap<string, TopicDescription>,
): DeployedInput[] {
  const { name, inputs, clock, routesLead } = wish.manifest;
  const routed = routes.map(({ topic, partitions }) => topics.get(topic) ?? { topic, topicId: "", partitions });
  const own = inputs.map((topic) => deployedInput(name, topic, topics));
  const ticks = clock === undefined ? [] : [deployedInput(name, clock.topic, topics)];
  const found = (routesLead ? [...routed, ...own, ...ticks] : [...own, ...routed, ...ticks]).map(({ topic, topicId, partitions }) => ({
    topic,
    topicId,
    partitions,
  }));
  const counts = found.map(({ topic, partitions }) => `'${topic}' has ${partitions}`);
  if (new Set(found.map(({ partitions }) => partitions)).size > 1) {
    throw new RepriseError("PARTITIONS_DIFFER", `The inputs of '${name}' have different partition counts: ${counts.join(", ")}.`, {
      details: { processor: name, partitions: counts.join(", ") },
    });
  }
  return found;
}

function deployedInput(processor: string, topic: string, topics: ReadonlyMap<string, TopicDescription>): DeployedInput {
  const described = topics.get(topic);
  if (described === undefined)
    throw new RepriseError("TOPIC_MISSING", `The input topic '${topic}' of '${processor}' does not exist.`, {
      details: { processor, topic },
    });
  return { topic, topicId: described.topicId, partitions: described.partitions };
}

/** The deployment whose checkpoints are meant, when its state can become that of this version. */
function checkpointOf(
  state: ControlState,
  { manifest }: DeployWish,
  wanted: string | number,
  inputs: readonly DeployedInput[],
  routes: readonly DeployedRoute[],
): string {
  const { name } = manifest;
  const { spec } = deploymentNamed(state, name, wanted, "checkpoints");
  if (spec.version > manifest.version) {
    throw new RepriseError("STATE_INCOMPATIBLE", `${spec.id} is no older version than ${manifest.version}.`, {
      details: { deployment: spec.id },
    });
  }
  if (!sharesRoutes(spec, { routes })) {
    throw new RepriseError(
      "NOT_SUPPORTED",
      `A version of '${name}' can't begin with checkpoints of ${spec.id}: they are about other internal topics, in which a position means something else. Share its routes as well.`,
      { details: { processor: name, deployment: spec.id } },
    );
  }
  planMigration(spec.manifest as unknown as Manifest, manifest.whole as unknown as Manifest);
  const anew = inputs.find(({ topic, topicId }) => spec.inputs.find((before) => before.topic === topic)?.topicId !== topicId);
  if (anew !== undefined) {
    throw new RepriseError("TOPIC_RECREATED", `The topic '${anew.topic}' is another one than ${spec.id} has read.`, {
      details: { topic: anew.topic, deployment: spec.id },
    });
  }
  return spec.id;
}

/** Tasks follow the publisher partition by partition of the first input, so both must have the same one. */
function checkLeadInput(state: ControlState, { manifest }: DeployWish): void {
  const publisher = state.deployments.get(publisherOf(state, manifest.name)?.deployment ?? "");
  // Where internal topics are not shared there is no cutover, so that nobody follows; where they are, so are the inputs that lead.
  if (manifest.routes.length > 0 || publisher?.spec.routes !== undefined) return;
  const theirs = publisher?.spec.inputs[0]?.topic;
  const ours = manifest.inputs[0];
  if (publisher === undefined || theirs === undefined || theirs === ours) return;
  throw new RepriseError(
    "DECLARATION_CONFLICT",
    `The first input of version ${manifest.version} of '${manifest.name}' is '${ours}', that of ${publisher.spec.id}, which publishes, is '${theirs}': put '${theirs}' first.`,
    { details: { processor: manifest.name, version: manifest.version, input: ours, publisher: publisher.spec.id } },
  );
}

/** Two processors that write one topic would be two publishers of it, and one that reads its own output never ends. */
function checkOutputs(state: ControlState, { manifest }: DeployWish): void {
  const { name, outputs } = manifest;
  const inputs = [...manifest.inputs, ...manifest.broadcasts, ...manifest.routes.map(({ source }) => source)];
  const conflict = (message: string, topic: string): never => {
    throw new RepriseError("DECLARATION_CONFLICT", message, { details: { processor: name, topic } });
  };
  for (const { topic } of outputs) {
    if (inputs.includes(topic)) conflict(`'${name}' reads the topic '${topic}' that it writes.`, topic);
    if (topic === deadLetterTopicOf(name)) conflict(`'${topic}' is the dead-letter topic of '${name}' and can't be an output too.`, topic);
  }
  for (const { spec, state: theirs } of state.deployments.values()) {
    if (spec.processor === name || ["Retired", "Aborted"].includes(theirs)) continue;
    const taken = new Set(viewManifest(spec.manifest).outputs.map(({ topic }) => topic));
    const clash = outputs.find(({ topic }) => taken.has(topic));
    if (clash !== undefined) conflict(`The topic '${clash.topic}' is written by processor '${spec.processor}' already.`, clash.topic);
  }
}
