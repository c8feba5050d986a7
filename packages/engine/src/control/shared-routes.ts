import type { DeploymentSpec } from "./control-event.ts";

/**
 * Whether all internal topics of two deployments are the same ones: then a position in one means the same in the other, and there can be a cut between
 * them. True also where neither has any.
 */
export function sharesRoutes(a: Pick<DeploymentSpec, "routes">, b: Pick<DeploymentSpec, "routes">): boolean {
  const [ours, theirs] = [a, b].map(({ routes = [] }) => new Set(routes.map(({ topic }) => topic))) as [Set<string>, Set<string>];
  return ours.size === theirs.size && [...ours].every((topic) => theirs.has(topic));
}
