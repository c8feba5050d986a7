import { mkdir, readFile, writeFile } from "node:fs/promises";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** What the demo calls things on the cluster, and where the sources are that use these names. */
export interface DemoNames {
  readonly processor: string;
  readonly flights: string;
  readonly hourly: string;
  readonly sources: { readonly v1: string; readonly v2: string };
}

/** The folder of the repository, from wherever in it this file runs. */
export function repositoryFolder(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const file = join(folder, "package.json");
    if (existsSync(file) && (JSON.parse(readFileSync(file, "utf8")) as { name?: string }).name === "reprise-monorepo") return folder;
    if (folder === dirname(folder)) throw new Error("this file is not in Reprise's repository");
  }
}

const sourceOf = (version: number): string =>
  join(repositoryFolder(), "packages", "processors", "airport-delays", `v${version}`, "src", "processor.ts");

/** On a cluster of its own the demo uses the names that the sources have. */
export function plainNames(): DemoNames {
  return { processor: "airport-delays", flights: "flights", hourly: "airport-hourly", sources: { v1: sourceOf(1), v2: sourceOf(2) } };
}

/**
 * On a cluster that others use too: copies of the sources in `folder` (inside the repository, so that they find `reprise`) in which
 * processor and topics carry a suffix. Nothing else is changed.
 */
export async function suffixedNames(folder: string, suffix: string): Promise<DemoNames> {
  const plain = plainNames();
  const renamed = (name: string): string => `${name}-${suffix}`;
  const copy = async (version: 1 | 2): Promise<string> => {
    const source = version === 1 ? plain.sources.v1 : plain.sources.v2;
    const target = join(folder, `v${version}`, "processor.ts");
    await mkdir(dirname(target), { recursive: true });
    let text = await readFile(source, "utf8");
    for (const [before, name] of [
      ["topic(", plain.flights],
      ["topic(", plain.hourly],
      ["name: ", plain.processor],
    ] as const) {
      const [from, to] = [`${before}"${name}"`, `${before}"${renamed(name)}"`];
      if (text.split(from).length !== 2) throw new Error(`${source} should say ${from} once`);
      text = text.replace(from, to);
    }
    await writeFile(target, text);
    return target;
  };
  return {
    processor: renamed(plain.processor),
    flights: renamed(plain.flights),
    hourly: renamed(plain.hourly),
    sources: { v1: await copy(1), v2: await copy(2) },
  };
}
