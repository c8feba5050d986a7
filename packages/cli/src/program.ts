import { Command } from "commander";
import { addBuildCommand } from "./commands/build.ts";
import { addCheckpointsCommand } from "./commands/checkpoints.ts";
import { addCutoverCommands } from "./commands/cutover.ts";
import { addDeployCommand } from "./commands/deploy.ts";
import { addDevCommand } from "./commands/dev.ts";
import { addGetCommand } from "./commands/get.ts";
import { addProcessCommands } from "./commands/processes.ts";
import { addReadCommand } from "./commands/read.ts";
import { addRetireCommand } from "./commands/retire.ts";
import { addSendCommand } from "./commands/send.ts";
import { addStateCommand } from "./commands/state.ts";
import { addStatusCommand } from "./commands/status.ts";
import { addVerifyCommand } from "./commands/verify.ts";
import type { Reporter } from "./output/reporter.ts";
import type { Terminal } from "./output/terminal.ts";

/** The whole command line. Commands throw; `main` turns that into words and an exit status. */
export function createProgram(reporter: Reporter, terminal: Terminal): Command {
  const program = new Command("reprise")
    .description("Versioned processors on a Kafka log: replay, cut over, roll back.")
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.out(text),
      // Errors are told by `main`, as JSON where that is asked for.
      writeErr: () => undefined,
    });
  addDevCommand(program, reporter);
  addBuildCommand(program, reporter);
  addDeployCommand(program, reporter);
  addStatusCommand(program, reporter);
  addCutoverCommands(program, reporter);
  addRetireCommand(program, reporter);
  addCheckpointsCommand(program, reporter);
  addGetCommand(program, reporter);
  addSendCommand(program, reporter);
  addReadCommand(program, reporter, terminal);
  addVerifyCommand(program, reporter);
  addStateCommand(program, reporter, terminal);
  addProcessCommands(program);
  return program;
}
