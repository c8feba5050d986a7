import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { RepriseError } from "@reprise/schema";

/** A program and its first argument. */
export interface Command {
  readonly program: string;
  readonly script: string;
}

/**
 * The `reprise` command itself: the supervisor's children are the same program. It stands beside this file, or, when this file was bundled
 * into another one, in node_modules.
 */
export function repriseCommand(): Command {
  const here = dirname(fileURLToPath(import.meta.url));
  const candidates = [join(here, "..", "..", "bin", "reprise.mjs")];
  for (const start of [here, process.cwd()]) {
    for (let folder = start; ; folder = dirname(folder)) {
      candidates.push(join(folder, "node_modules", "@reprise", "cli", "bin", "reprise.mjs"));
      if (dirname(folder) === folder) break;
    }
  }
  const script = candidates.find((path) => existsSync(path));
  if (script !== undefined) return { program: process.execPath, script };
  throw new RepriseError("INVALID_ARGUMENT", "The reprise command was not found: is @reprise/cli installed?", {
    details: { searchedFrom: here },
  });
}
