import type { Command } from "commander";
import { buildArtifact } from "../artifact/build-artifact.ts";
import type { Reporter } from "../output/reporter.ts";
import { artifactsOption } from "./operator-options.ts";

/** `reprise build`: freezes a processor version. */
export function addBuildCommand(program: Command, reporter: Reporter): void {
  artifactsOption(program.command("build"))
    .description("bundle a processor into one file and freeze it under its name, version and hash")
    .argument("<file>", "TypeScript or JavaScript file with the processor as default export")
    .option("--json", "one line of JSON on standard output, last")
    .action(async (file: string, options: { readonly artifacts: string }) => {
      const { processor, version, sha256, bytes, folder, isNew } = await buildArtifact(file, options.artifacts);
      const what = `${processor}@${version} ${sha256.slice(0, 12)} (${Math.ceil(bytes / 1024)} kB)`;
      reporter.result(
        { processor, version, sha256, bytes, folder, isNew },
        isNew ? `Built ${what} in ${folder}` : `${what} was built already`,
      );
    });
}
