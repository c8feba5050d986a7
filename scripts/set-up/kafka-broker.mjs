// Kafka for development and tests: its jars by Maven, which verifies their checksums. Nothing where another Kafka is used.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { ask, has, root, run, SetUpError } from "./steps.mjs";
import { installPackages } from "./system-packages.mjs";

const pom = join(root, "packages", "kafka", "kafka-jars.pom.xml");
const version = /<artifactId>kafka_2\.13<\/artifactId>\s*<version>(.*?)</.exec(readFileSync(pom, "utf8"))[1];
const libs = join(root, ".reprise", "kafka", version, "libs");
const named = (variable) => process.env[variable] !== undefined && process.env[variable] !== "";

/** The folder is renamed into place when it is complete: that it is there is the stamp. The names guard against a foreign one. */
function jarsComplete() {
  if (!existsSync(libs)) return false;
  const names = readdirSync(libs);
  return (
    [`kafka_2.13-${version}.jar`, `kafka-clients-${version}.jar`].every((jar) => names.includes(jar)) &&
    names.some((jar) => jar.startsWith("slf4j-simple-"))
  );
}

/** @returns {string | undefined} why no jars have to be fetched */
export function brokerReady() {
  if (named("REPRISE_BOOTSTRAP")) return `REPRISE_BOOTSTRAP=${process.env.REPRISE_BOOTSTRAP} is used`;
  if (named("REPRISE_KAFKA_JARS")) return `REPRISE_KAFKA_JARS=${process.env.REPRISE_KAFKA_JARS} is used`;
  return jarsComplete() ? `Kafka ${version} is there` : undefined;
}

export async function fetchBroker() {
  const missing = [];
  if (!(await hasJava())) missing.push(["openjdk-17-jre-headless", "openjdk-21-jre-headless", "openjdk-25-jre-headless"]);
  if (!(await has("mvn"))) missing.push(["maven"]);
  if (missing.length > 0) {
    if (await dockerAnswers()) return `Docker will run apache/kafka:${version}`;
    await installPackages(
      "Kafka needs Java 17 or newer, and Maven to fetch it (or Docker, or REPRISE_BOOTSTRAP set to an existing cluster)",
      missing,
      "Java 17 or newer, and Maven",
    );
  }
  const partial = `${libs}.${process.pid}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(dirname(libs), { recursive: true });
  try {
    const goal = ["-B", "-ntp", "-f", pom, "dependency:copy-dependencies", "-DincludeScope=runtime", `-DoutputDirectory=${partial}`];
    await run("maven", ["mvn", ...goal], { timeoutMs: 600_000 });
    rmSync(libs, { recursive: true, force: true });
    renameSync(partial, libs);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
  if (!jarsComplete()) throw new SetUpError(`Maven finished, but ${libs} does not hold Kafka ${version}.`);
  return `Kafka ${version} by Maven`;
}

async function hasJava() {
  const home = process.env.JAVA_HOME;
  for (const java of [...(named("JAVA_HOME") ? [join(home, "bin", "java")] : []), "java"]) {
    const text = await output(java, ["-version"]);
    const major = Number(/version "(?:1\.)?(\d+)/.exec(text)?.[1]);
    if (major >= 17) return true;
  }
  return false;
}

async function dockerAnswers() {
  return (await output("docker", ["version", "--format", "server {{.Server.Version}}"])).includes("server ");
}

async function output(command, args) {
  const { code, text } = await ask(command, args);
  return code === 0 ? text : "";
}
