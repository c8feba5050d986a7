import { setTimeout as sleep } from "node:timers/promises";
import type { ControllerClient, DeploymentStatus, Status } from "@reprise/controller";
import { RepriseError } from "@reprise/schema";
import type { Reporter } from "../output/reporter.ts";
import { progressCells } from "../output/status-text.ts";

const pollMs = 250;
/** A controller that is started again answers within seconds. */
const patienceMs = 60_000;

/** As `client.status()`, patient while the controller is being started again. */
export async function patientStatus(client: ControllerClient): Promise<Status> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    try {
      return await client.status();
    } catch (error) {
      if (!RepriseError.is(error) || !error.retry || Date.now() > deadline) throw error;
      await sleep(pollMs);
    }
  }
}

/**
 * Until the deployment has caught up, or publishes anyway; shows its progress meanwhile.
 * @throws RepriseError WORKER_FAILED with the reason, ILLEGAL_STATE when it was retired, DEPLOYMENT_UNKNOWN
 */
export async function waitForDeployment(client: ControllerClient, id: string, reporter: Reporter): Promise<DeploymentStatus> {
  for (;;) {
    const { deployments } = await patientStatus(client);
    const deployment = deployments.find((one) => one.id === id);
    if (deployment === undefined)
      throw new RepriseError("DEPLOYMENT_UNKNOWN", `There is no deployment '${id}'.`, { details: { deployment: id } });
    reporter.draw([
      `${id}  ${deployment.state.padEnd(9)}  ${progressCells(deployment)
        .filter((cell) => cell !== "")
        .join("  ")}`,
    ]);
    switch (deployment.state) {
      case "CaughtUp":
      case "Serving":
      case "TakingOver":
      case "Standby":
        reporter.settle();
        return deployment;
      case "Failed":
        throw new RepriseError("WORKER_FAILED", `${id} failed: ${deployment.reason ?? "see its workers' logs"}`, {
          details: { deployment: id, reason: deployment.reason },
        });
      case "Retiring":
      case "Retired":
      case "Aborted":
        throw new RepriseError("ILLEGAL_STATE", `${id} is ${deployment.state}.`, { details: { deployment: id, state: deployment.state } });
      default:
        await sleep(pollMs);
    }
  }
}
