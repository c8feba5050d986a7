import type { ControllerClient, DeploymentStatus } from "@reprise/controller";
import { RepriseError } from "@reprise/schema";
import { type Artifact, buildArtifact, completeParams, removeArtifact } from "./build-artifact.ts";
import type { BundleOptions } from "./bundle-processor.ts";

export interface DeployFileOptions extends BundleOptions {
  readonly client: ControllerClient;
  readonly artifactFolder: string;
  /** Default 1. */
  readonly workers?: number;
  readonly params?: { readonly [name: string]: unknown };
  readonly commitIntervalMs?: number;
  /** See `DeployRequest`. */
  readonly checkpointOf?: string;
  readonly routesOf?: string;
  /** Leave it when the same code is deployed already and has not been retired. */
  readonly onlyIfNew?: boolean;
  readonly idempotencyKey?: string;
  readonly expectedRevision?: number;
  /** Called before the controller is asked, with the topics that the processor reads. */
  readonly beforeDeploy?: (about: { readonly inputs: readonly string[] }) => Promise<void>;
}

export interface DeployedFile {
  readonly deployment: string;
  readonly isNew: boolean;
  readonly publishes: boolean;
  readonly artifact: Artifact;
}

/**
 * Builds a processor file and deploys it. The artifact is in the folder before the controller knows of it, as its workers will look for it
 * there; when the controller refuses, it is taken back, so that the code can still be changed.
 * @throws RepriseError what building and the controller's deploy throw
 */
export async function deployFile(file: string, options: DeployFileOptions): Promise<DeployedFile> {
  const { client } = options;
  const artifact = await buildArtifact(file, options.artifactFolder, options);
  try {
    const present = options.onlyIfNew === true ? await deployedAlready(client, artifact) : undefined;
    if (present !== undefined) return { deployment: present.id, isNew: false, publishes: false, artifact };
    const { definition } = artifact;
    const { manifest } = definition;
    const inputs = [...new Set([...manifest.inputs, ...manifest.tables].map((input) => input.topic))];
    await options.beforeDeploy?.({ inputs });
    const { workers, commitIntervalMs, checkpointOf, routesOf, idempotencyKey, expectedRevision } = options;
    const { deployment, publishes } = await client.deploy(
      {
        manifest,
        artifact: artifact.sha256,
        params: completeParams(definition, options.params ?? {}),
        ...(workers === undefined ? {} : { workers }),
        ...(commitIntervalMs === undefined ? {} : { commitIntervalMs }),
        ...(checkpointOf === undefined ? {} : { checkpointOf }),
        ...(routesOf === undefined ? {} : { routesOf }),
      },
      { ...(idempotencyKey === undefined ? {} : { idempotencyKey }), ...(expectedRevision === undefined ? {} : { expectedRevision }) },
    );
    return { deployment, isNew: true, publishes, artifact };
  } catch (error) {
    // An answer that got lost may have been a yes: then workers need it.
    const refused = RepriseError.is(error) && !error.retry;
    if (artifact.isNew && refused) await removeArtifact(artifact);
    throw error;
  }
}

async function deployedAlready(client: ControllerClient, { processor, version, sha256 }: Artifact): Promise<DeploymentStatus | undefined> {
  const { deployments } = await client.status();
  return deployments.find(
    (one) =>
      one.processor === processor &&
      one.version === version &&
      one.artifact === sha256 &&
      !["Retiring", "Retired", "Aborted"].includes(one.state),
  );
}
