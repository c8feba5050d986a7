import type { Command } from "commander";
import { RepriseError } from "@reprise/schema";
import { findController } from "../find-controller.ts";
import type { Reporter } from "../output/reporter.ts";
import { operatorOptions } from "./operator-options.ts";

interface GetFlags {
  readonly controller?: string;
  readonly entry?: string;
  readonly entries?: true;
  readonly from?: string;
  readonly to?: string;
  readonly limit?: string;
}

/** `reprise get`: a row of a view, from the deployment that serves. */
export function addGetCommand(program: Command, reporter: Reporter): void {
  operatorOptions(program.command("get"))
    .description("read a view of the version that serves")
    .argument("<processor>")
    .argument("<view>")
    .argument("<key>")
    .option("--entry <key>", "one entry of a map")
    .option("--entries", "entries of a map")
    .option("--from <key>", "range: from here on (map entries, window starts)")
    .option("--to <key>", "range: up to here, exclusive")
    .option("--limit <n>", "range: at most so many")
    .action(async (processor: string, view: string, key: string, flags: GetFlags) => {
      const client = await findController(flags.controller);
      const { entry, entries, from, to, limit } = flags;
      const query = Object.fromEntries(
        Object.entries({ entry, from, to, limit, entries: entries === true ? "true" : undefined }).filter(
          (pair): pair is [string, string] => pair[1] !== undefined,
        ),
      );
      const answer = await client.view(processor, view, key, query);
      if (answer === undefined) {
        reporter.result({ found: false }, `${processor}/${view} has no row for '${key}'`);
        return;
      }
      const { value, entries: found, rows, ...where } = answer;
      const text = found ?? rows ?? value;
      if (text === undefined)
        throw new RepriseError("NOT_SERVING", `The answer of ${where.deployment} has no row in it.`, {
          details: { deployment: where.deployment },
        });
      reporter.result({ found: true, ...answer }, JSON.stringify(text, null, 2));
    });
}
