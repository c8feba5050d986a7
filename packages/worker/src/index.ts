export { topicOffsets } from "./internal/topic-offsets.ts";
export { loadArtifact } from "./load-artifact.ts";
export { startWorker, type Worker } from "./start-worker.ts";
export type { WorkerOptions } from "./worker-options.ts";
export { type DeploymentVerdict, verifyDeployment, type VerifyDeploymentOptions } from "./verify-deployment.ts";
