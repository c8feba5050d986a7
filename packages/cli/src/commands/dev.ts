import type { Command } from "commander";
import { wholeNumber } from "../arguments.ts";
import { defaultDevFolder } from "../dev/dev-folder.ts";
import { startDev } from "../dev/start-dev.ts";
import type { Reporter } from "../output/reporter.ts";
import { untilToldToStop } from "./until-told-to-stop.ts";

interface DevFlags {
  readonly folder: string;
  readonly bootstrap?: string;
  readonly workers?: number;
  readonly port?: number;
  readonly createTopics?: number;
  readonly stability?: number;
  readonly throwAway?: true;
}

/** `reprise dev`: everything on this machine, until Ctrl-C. */
export function addDevCommand(program: Command, reporter: Reporter): void {
  program
    .command("dev")
    .description("run Kafka, a controller and workers on this machine, and deploy processors to them")
    .argument("[files...]", "processors to deploy, unless the same code is deployed already")
    .option("--folder <folder>", "where everything is kept", defaultDevFolder)
    .option("--bootstrap <address>", "an existing Kafka (default: REPRISE_BOOTSTRAP, else one is started)")
    .option("--workers <n>", "workers per processor (default: 1)", wholeNumber(1))
    .option("--port <n>", "of the controller (default: a free one)", wholeNumber(1))
    .option(
      "--create-topics <partitions>",
      "create input topics that are missing, in the Kafka that was started; 0: don't (default: 4)",
      wholeNumber(0),
    )
    .option("--stability <ms>", "how long a version must have kept up to count as caught up", wholeNumber(0))
    .option("--throw-away", "begin with nothing, and remove everything at the end")
    .option("--json", "one line of JSON when everything runs")
    .action(async (files: readonly string[], flags: DevFlags) => {
      const { bootstrap, workers, port, createTopics, stability } = flags;
      // Before anything is started: a signal in the middle of the start must end what was started.
      const told = untilToldToStop();
      const dev = await startDev({
        folder: flags.folder,
        processors: files,
        throwAway: flags.throwAway === true,
        log: (line) => reporter.line(line),
        ...(bootstrap === undefined ? {} : { bootstrap }),
        ...(workers === undefined ? {} : { workers }),
        ...(port === undefined ? {} : { controllerPort: port }),
        ...(createTopics === undefined ? {} : { createTopics }),
        ...(stability === undefined ? {} : { stabilityMs: stability }),
      });
      const { controllerUrl, folder } = dev;
      reporter.result(
        { controllerUrl, bootstrap: dev.bootstrap, folder: folder.root, pid: process.pid },
        `Kafka at ${dev.bootstrap}. Ready: reprise status --watch · reprise deploy <file> · Ctrl-C ends everything.`,
      );
      await told;
      reporter.line("Stopping");
      await dev.stop();
    });
}
