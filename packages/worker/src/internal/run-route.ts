import {
  type CompiledProcessor,
  type CompiledRoute,
  type ControlLogTail,
  type DeployedRoute,
  type DeploymentSpec,
  type GroupOffsets,
  type RouteObserver,
  RouteSession,
  routeTransactionalIdOf,
  type SessionEnd,
  systemClock,
  type TopicOffsets,
} from "@reprise/engine";
import { createColumnarReader, createMembership, createTransactionalWriter } from "@reprise/kafka";
import { RepriseError } from "@reprise/schema";
import type { Logger } from "pino";
import type { WorkerOptions } from "../worker-options.ts";

export interface RouteParts {
  readonly options: WorkerOptions;
  readonly spec: DeploymentSpec;
  readonly deployed: DeployedRoute;
  readonly processor: CompiledProcessor;
  readonly control: ControlLogTail;
  readonly offsets: TopicOffsets;
  readonly groupOffsets: GroupOffsets;
  readonly logger: Logger;
  readonly observer: RouteObserver;
  /** Told of the session that runs, to stop it; undefined: none does. */
  readonly running: (session: RouteSession | undefined) => void;
}

/** One session of a stage before a rekeyed input: with a reader, a group and a producer of its own. */
export async function runRouteSession(parts: RouteParts): Promise<SessionEnd> {
  const { options, spec, deployed, control, offsets, groupOffsets, logger, observer } = parts;
  const route = routeOf(parts.processor, deployed);
  const id = routeTransactionalIdOf(deployed.topic, spec.id, options.slot);
  // First: it is the one that may fail, and nothing else is open yet.
  const reader = await createColumnarReader({ ...options, clientId: id });
  const membership = createMembership({
    ...options,
    groupId: deployed.topic,
    groupInstanceId: id,
    topic: deployed.source.topic,
    ...(options.groupProtocol === undefined ? {} : { protocol: options.groupProtocol }),
    onOwnerless: (partitions) => logger.warn({ partitions }, "partitions belong to no worker; making the group rebalance"),
  });
  const writer = createTransactionalWriter({ ...options, transactionalId: id, consumer: membership.consumer });
  const session = new RouteSession({
    clock: systemClock,
    spec,
    deployed,
    route,
    writer,
    membership,
    groupOffsets,
    reader,
    control,
    offsets,
    observer,
  });
  parts.running(session);
  try {
    return await session.run();
  } finally {
    parts.running(undefined);
    await membership.leave().catch((error: unknown) => logger.warn({ err: error }, "leaving the group failed"));
    await writer.close().catch((error: unknown) => logger.warn({ err: error }, "closing the producer failed"));
    await reader.close().catch((error: unknown) => logger.warn({ err: error }, "closing the reader failed"));
  }
}

/** @throws RepriseError INVALID_DECLARATION: what was deployed is not what the artifact declares */
function routeOf(processor: CompiledProcessor, deployed: DeployedRoute): CompiledRoute {
  const route = processor.inputs.find(({ topic }) => topic === deployed.topic)?.route;
  if (route !== undefined) return route;
  throw new RepriseError(
    "INVALID_DECLARATION",
    `${processor.name} v${processor.version} declares no input ${deployed.name}, which was deployed`,
  );
}
