/** The control topic: one partition, never compacted, kept for ever. */
export const controlTopic = "reprise.control";
/** Compacted: who is there and where (workers' and controllers' announcements). Decides nothing. */
export const statusTopic = "reprise.status";
/** The controller's transactional id: the newest leader fences all older ones. */
export const controllerTransactionalId = "reprise.controller";

export const groupOf = (deployment: string): string => `reprise.${deployment}`;
export const transactionalIdOf = (deployment: string, slot: number): string => `reprise.${deployment}.${slot}`;
export const deltaTopicOf = (deployment: string): string => `reprise.${deployment}.delta`;
/** Where a rekeyed input's records stand under their new key. Also the group of those that route them there. */
export const routeTopicOf = (deployment: string, rekey: string): string => `reprise.${deployment}.${rekey}`;
/** Several deployments may share a route. */
export const routeTransactionalIdOf = (routeTopic: string, deployment: string, slot: number): string =>
  `${routeTopic}.${deployment}.${slot}`;
/** Of a processor, not of a deployment: a later version replays the same ticks. Another interval is another topic. */
export const clockTopicOf = (processor: string, intervalMs: number): string => `reprise.${processor}.clock-${intervalMs}ms`;
export const deadLetterTopicOf = (processor: string): string => `${processor}-dead-letters`;
