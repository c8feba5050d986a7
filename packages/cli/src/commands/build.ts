import type { Command } from "commander";
import { RepriseError } from "@reprise/schema";
import { buildArtifact, removeArtifact } from "../artifact/build-artifact.ts";
import { warningText } from "../artifact/find-nondeterminism.ts";
import type { Reporter } from "../output/reporter.ts";
import { artifactsOption } from "./operator-options.ts";

/** `reprise build`: freezes a processor version. */
export function addBuildCommand(program: Command, reporter: Reporter): void {
  artifactsOption(program.command("build"))
    .description("bundle a processor into one file and freeze it under its name, version and hash")
    .argument("<file>", "TypeScript or JavaScript file with the processor as default export")
    .option("--strict", "refuse what a replay would give other results for: clocks, randomness, timers, network")
    .option("--json", "one line of JSON on standard output, last")
    .action(async (file: string, options: { readonly artifacts: string; readonly strict?: true }) => {
      const artifact = await buildArtifact(file, options.artifacts);
      const { processor, version, sha256, bytes, folder, isNew, warnings } = artifact;
      if (options.strict === true && warnings.length > 0) {
        if (isNew) await removeArtifact(artifact);
        throw new RepriseError("NOT_DETERMINISTIC", `${file} is not a function of its inputs: ${warnings.map(warningText).join("; ")}`, {
          details: { file, places: warnings.length },
        });
      }
      for (const warning of warnings) reporter.warning(warningText(warning));
      const what = `${processor}@${version} ${sha256.slice(0, 12)} (${Math.ceil(bytes / 1024)} kB)`;
      reporter.result(
        { processor, version, sha256, bytes, folder, isNew, warnings },
        isNew ? `Built ${what} in ${folder}` : `${what} was built already`,
      );
    });
}
