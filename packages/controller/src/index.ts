export { ControllerClient, type ControllerClientOptions } from "./client/controller-client.ts";
export type {
  CommandOptions,
  CutoverAnswer,
  CutoverRequest,
  CutoverStatus,
  DeployAnswer,
  DeploymentStatus,
  DeployRequest,
  DesiredWorkers,
  ProcessorStatus,
  ProgressStatus,
  RetireAnswer,
  Status,
} from "./http/status.ts";
export { type ManifestView, type OutputView, viewManifest } from "./deploy/manifest-view.ts";
export type { LagObservation, PartitionLag } from "./observe/observation.ts";
export { type ControllerOptions, type RunningController, startController } from "./start-controller.ts";
