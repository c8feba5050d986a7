import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { kafkaVersion } from "./kafka-version.ts";

/** Both are needed; their presence tells a complete folder from an unrelated one. */
const tellTaleJars = [`kafka_2.13-${kafkaVersion}.jar`, `kafka-clients-${kafkaVersion}.jar`] as const;

/** Whether the folder holds this release's jars. */
export function holdsKafkaJars(folder: string): boolean {
  if (!existsSync(folder)) return false;
  const names = new Set(readdirSync(folder));
  return tellTaleJars.every((jar) => names.has(jar)) && [...names].some((name) => name.startsWith("slf4j-simple-"));
}

function upwardFrom(folder: string): string[] {
  const folders = [folder];
  for (let parent = dirname(folder); parent !== folders.at(-1); parent = dirname(parent)) folders.push(parent);
  return folders;
}

/** Where jars go that this package fetches by itself. */
export function jarsCacheFolder(): string {
  const cache = process.env["XDG_CACHE_HOME"];
  return join(cache === undefined || cache === "" ? join(homedir(), ".cache") : cache, "reprise", "kafka", kafkaVersion, "libs");
}

/**
 * The folder with Kafka's jars: `jarsFolder` when given, else REPRISE_KAFKA_JARS, else the nearest
 * `.reprise/kafka/<version>/libs` upward of the working directory or of this package, else the user's cache
 * (`~/.cache/reprise/kafka/<version>/libs`). Undefined: nowhere; a folder named explicitly is the only candidate.
 */
export function findKafkaJars(jarsFolder?: string): string | undefined {
  const explicit = jarsFolder ?? process.env["REPRISE_KAFKA_JARS"];
  if (explicit !== undefined && explicit !== "") return holdsKafkaJars(explicit) ? explicit : undefined;
  const here = dirname(fileURLToPath(import.meta.url));
  return [
    ...[...upwardFrom(process.cwd()), ...upwardFrom(here)].map((folder) => join(folder, ".reprise", "kafka", kafkaVersion, "libs")),
    jarsCacheFolder(),
  ].find(holdsKafkaJars);
}

/**
 * Fetches the jars (43 MB) with Maven, which verifies their checksums, into the user's cache. The folder appears only when
 * complete. Resolves to undefined when there is no Maven or it failed; `log` has its words.
 */
export async function fetchKafkaJars(log: (line: string) => void, timeoutMs = 300_000): Promise<string | undefined> {
  const folder = jarsCacheFolder();
  const partial = `${folder}.${process.pid}.partial`;
  await mkdir(partial, { recursive: true });
  log(`Fetching Kafka ${kafkaVersion} with Maven into ${folder}`);
  const pom = fileURLToPath(new URL("../../kafka-jars.pom.xml", import.meta.url));
  const goal = ["-q", "-B", "-f", pom, "dependency:copy-dependencies", "-DincludeScope=runtime", `-DoutputDirectory=${partial}`];
  const child = spawn("mvn", goal, { stdio: ["ignore", "pipe", "pipe"], timeout: timeoutMs });
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text: string) => log(text.trimEnd()));
  const code = await new Promise<number | null>((resolve) => child.once("error", () => resolve(-1)).once("close", resolve));
  if (code === 0 && holdsKafkaJars(partial)) {
    // Two processes may fetch at once: the second finds the folder there and drops its own.
    await rename(partial, folder).catch(() => undefined);
  }
  await rm(partial, { recursive: true, force: true });
  return holdsKafkaJars(folder) ? folder : undefined;
}
