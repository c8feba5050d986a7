import { type ControlEvent, type ControlState, publisherOf } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";

type StateChanged = Extract<ControlEvent, { readonly type: "DeploymentStateChanged" }>;

/**
 * Retiring, from which nothing leads back. Refused for whoever publishes, serves or takes part in a cutover.
 * @throws RepriseError DEPLOYMENT_UNKNOWN, ILLEGAL_STATE
 */
export function planRetire(state: ControlState, deployment: string): StateChanged {
  const entry = state.deployments.get(deployment);
  if (entry === undefined)
    throw new RepriseError("DEPLOYMENT_UNKNOWN", `There is no deployment '${deployment}'.`, { details: { deployment } });
  const processor = state.processors.get(entry.spec.processor);
  const { pending } = processor ?? {};
  const refuse = (why: string): never => {
    throw new RepriseError("ILLEGAL_STATE", `${deployment} can't be retired: ${why}.`, { details: { deployment, state: entry.state } });
  };
  if (entry.state === "Retiring" || entry.state === "Retired") refuse(`it is ${entry.state} already`);
  if (publisherOf(state, entry.spec.processor)?.deployment === deployment) refuse("it publishes");
  if (processor?.serving === deployment) refuse("it answers queries");
  if (pending !== undefined && (pending.from === deployment || pending.to === deployment)) refuse("a cutover with it is under way");
  return { type: "DeploymentStateChanged", deployment, state: "Retiring" };
}
