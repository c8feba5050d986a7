import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { findController } from "../find-controller.ts";
import type { Reporter } from "../output/reporter.ts";
import { statusLines } from "../output/status-text.ts";
import { operatorOptions } from "./operator-options.ts";
import { patientStatus } from "./wait-for-deployment.ts";

const watchMs = 500;

/** `reprise status`. */
export function addStatusCommand(program: Command, reporter: Reporter): void {
  operatorOptions(program.command("status"))
    .description("what is deployed, who publishes, and how far everything is")
    .option("--watch", "keep showing it")
    .option("--all", "retired deployments too")
    .action(async (flags: { readonly controller?: string; readonly watch?: true; readonly all?: true }) => {
      const client = await findController(flags.controller);
      const all = flags.all === true;
      if (flags.watch !== true) {
        const status = await client.status();
        reporter.result(status, statusLines(status, { all }).join("\n"));
        return;
      }
      for (;;) {
        const status = await patientStatus(client);
        // Watched as JSON: one line per look.
        if (reporter.json) reporter.result(status, "");
        else reporter.draw(statusLines(status, { all }));
        await sleep(watchMs);
      }
    });
}
