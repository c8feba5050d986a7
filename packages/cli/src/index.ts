export { type Artifact, buildArtifact, completeParams } from "./artifact/build-artifact.ts";
export { type BundleOptions, bundleProcessor } from "./artifact/bundle-processor.ts";
export { deployFile, type DeployedFile, type DeployFileOptions } from "./artifact/deploy-file.ts";
export { type DevFolder, devFolder } from "./dev/dev-folder.ts";
export { freePort } from "./dev/free-port.ts";
export { type DevOptions, type RunningDev, startDev } from "./dev/start-dev.ts";
export { type ChildSpec, Supervisor, type SupervisorOptions } from "./dev/supervisor.ts";
export { main } from "./main.ts";
