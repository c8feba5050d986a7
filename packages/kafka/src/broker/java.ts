import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Kafka 4's broker needs it (KIP-750, KIP-1013). */
const minimumJavaVersion = 17;

/** The major version of the Java at `command`, or undefined when it can't be run or is something else. */
export async function javaVersion(command: string): Promise<number | undefined> {
  try {
    const { stderr, stdout } = await run(command, ["-version"], { timeout: 10_000 });
    const match = /version "(?:1\.)?(\d+)/.exec(stderr + stdout);
    return match === null ? undefined : Number(match[1]);
  } catch {
    return undefined;
  }
}

/** The first usable Java of: `javaPath`, JAVA_HOME, PATH. A given `javaPath` is the only candidate. */
export async function findJava(javaPath?: string): Promise<string | undefined> {
  const home = process.env["JAVA_HOME"];
  const candidates =
    javaPath === undefined ? [...(home === undefined || home === "" ? [] : [join(home, "bin", "java")]), "java"] : [javaPath];
  for (const candidate of candidates) {
    const version = await javaVersion(candidate);
    if (version !== undefined && version >= minimumJavaVersion) return candidate;
  }
  return undefined;
}

/** Whether a Docker daemon answers; the command alone is not enough. */
export async function dockerAnswers(): Promise<boolean> {
  try {
    await run("docker", ["version", "--format", "{{.Server.Version}}"], { timeout: 10_000 });
    return true;
  } catch {
    return false;
  }
}
