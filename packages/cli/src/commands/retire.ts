import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { findController } from "../find-controller.ts";
import type { Reporter } from "../output/reporter.ts";
import { operatorOptions } from "./operator-options.ts";
import { patientStatus } from "./wait-for-deployment.ts";

const pollMs = 250;

/** `reprise retire`. */
export function addRetireCommand(program: Command, reporter: Reporter): void {
  operatorOptions(program.command("retire"))
    .description("end a deployment for good: its group, internal topics, state and checkpoints; never public outputs")
    .argument("<deployment>")
    .option("--wait", "wait until everything of it is gone")
    .action(async (deployment: string, flags: { readonly controller?: string; readonly wait?: true }) => {
      const client = await findController(flags.controller);
      const answer = await client.retire(deployment);
      if (flags.wait !== true) {
        reporter.result(answer, `${deployment} is being retired`);
        return;
      }
      for (;;) {
        const { deployments } = await patientStatus(client);
        if (deployments.find((one) => one.id === deployment)?.state === "Retired") break;
        await sleep(pollMs);
      }
      reporter.result({ ...answer, state: "Retired" }, `${deployment} is retired`);
    });
}
