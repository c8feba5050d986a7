import { CommanderError } from "commander";
import { AnsweredNo, Reporter, UsageError } from "./output/reporter.ts";
import { processTerminal, type Terminal } from "./output/terminal.ts";
import { createProgram } from "./program.ts";

/**
 * Runs the `reprise` command.
 * @returns the exit status: 0, 1 when it failed, 2 when the command line is wrong
 */
export async function main(args: readonly string[], terminal: Terminal = processTerminal): Promise<number> {
  const reporter = new Reporter(terminal, args.includes("--json"));
  const program = createProgram(reporter, terminal);
  try {
    await program.parseAsync([...args], { from: "user" });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help and version were printed by commander.
      if (error.exitCode === 0) return 0;
      if (error.code === "commander.help") {
        terminal.err(program.helpInformation());
        return 2;
      }
      reporter.failure(new UsageError(error.message.replace(/^error: /, "")));
      return 2;
    }
    if (error instanceof AnsweredNo) return 1;
    reporter.failure(error);
    return error instanceof UsageError ? 2 : 1;
  } finally {
    await terminal.taken?.();
  }
}
