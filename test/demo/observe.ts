import type { ControllerClient, DeploymentStatus, ProcessorStatus, Status } from "@reprise/controller";
import type { PublishedBy } from "./model.ts";

/** One deployment as the controller shows it. @throws when it failed, or one of its tasks has stopped for good: waiting would be in vain */
export function deploymentIn(status: Status, id: string): DeploymentStatus {
  const found = status.deployments.find((deployment) => deployment.id === id);
  if (found === undefined) throw new Error(`the controller knows no deployment ${id}`);
  if (found.state === "Failed" || found.state === "Aborted")
    throw new Error(`${id} is ${found.state}: ${found.reason ?? "no reason given"}`);
  for (const worker of found.workers) {
    const [failure] = worker.failures;
    if (failure !== undefined) throw new Error(`${id}, partition ${failure.partition}: ${failure.code} ${failure.message}`);
  }
  return found;
}

export function processorIn(status: Status, name: string): ProcessorStatus {
  const found = status.processors.find((processor) => processor.name === name);
  if (found === undefined) throw new Error(`the controller knows no processor ${name}`);
  return found;
}

/** Who published the results where, from the controller's log: what the model needs to know beside the file. */
export async function publishedBy(client: ControllerClient, processor: string, topic: string): Promise<PublishedBy[]> {
  const status = await client.status();
  return processorIn(status, processor).intervals.map((interval) => {
    const { version } = deploymentIn(status, interval.deployment);
    if (version !== 1 && version !== 2) throw new Error(`${interval.deployment} has version ${version}`);
    return { version, from: interval.from[topic] ?? [], to: interval.to === null ? null : (interval.to[topic] ?? []) };
  });
}

/** True when the deployment has committed every record of the topic: position = end in each partition. */
export function isAtEnd(deployment: DeploymentStatus, topic: string, ends: readonly number[]): boolean {
  const positions = deployment.progress?.partitions.filter((partition) => partition.topic === topic) ?? [];
  return ends.every((end, partition) => positions.some((each) => each.partition === partition && each.position === end));
}

/**
 * How fast a replay went, from looks at its progress: from the last look before it began to move (until then its worker's process starts, joins and
 * opens) to the last look at which it had moved. The worker's warming up counts.
 */
export class ReplayRate {
  #first: { readonly atMs: number; readonly records: number } | undefined;
  #last: { readonly atMs: number; readonly records: number } | undefined;

  look(deployment: DeploymentStatus): void {
    const { progress } = deployment;
    if (progress === undefined) return;
    if (this.#first === undefined || progress.processedRecords === this.#first.records) {
      this.#first = { atMs: progress.atMs, records: progress.processedRecords };
      return;
    }
    if (progress.processedRecords === this.#last?.records) return;
    this.#last = { atMs: progress.atMs, records: progress.processedRecords };
  }

  /** 0 when it never was seen moving. */
  get recordsPerSecond(): number {
    const [first, last] = [this.#first, this.#last];
    if (first === undefined || last === undefined || last.atMs === first.atMs) return 0;
    return Math.round(((last.records - first.records) * 1000) / (last.atMs - first.atMs));
  }
}
