// An S3 server for tests. versitygw, which checks signatures as S3 does, where Go is there to build it; else S3Mock by Maven, on the Java that Kafka has.
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ask, has, root, run, SetUpError } from "./steps.mjs";
import { installPackages } from "./system-packages.mjs";

const gateway = "github.com/versity/versitygw/cmd/versitygw@v1.8.0";
const mock = "com.adobe.testing:s3mock:3.12.0:jar:exec";
const folder = join(root, ".reprise", "s3");

/** @returns {string | undefined} what is there already */
export function s3ServerReady() {
  if (!existsSync(folder)) return undefined;
  return readdirSync(folder).find((name) => name === "versitygw" || name.endsWith(".jar"));
}

export async function fetchS3Server() {
  const partial = `${folder}.${process.pid}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  try {
    const found = await gatewayInto(partial);
    if (found === undefined) await mockInto(partial);
    rmSync(folder, { recursive: true, force: true });
    renameSync(partial, folder);
    return found ?? "S3Mock by Maven";
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

/** Undefined where there is neither one nor what builds one. */
async function gatewayInto(target) {
  const { code, text } = await ask("sh", ["-c", "command -v versitygw"]);
  if (code === 0) {
    copyFileSync(text.trim(), join(target, "versitygw"));
    return "versitygw is there";
  }
  if (!(await has("go", ["version"]))) return undefined;
  try {
    await run("versitygw", ["go", "install", gateway], { timeoutMs: 900_000, environment: { GOBIN: target } });
    return "versitygw by Go";
  } catch (error) {
    // An older Go, or no module proxy: the other one will do.
    if (!(error instanceof SetUpError)) throw error;
    return undefined;
  }
}

async function mockInto(target) {
  const missing = [];
  if (!(await has("java", ["-version"]))) missing.push(["openjdk-17-jre-headless", "openjdk-21-jre-headless", "openjdk-25-jre-headless"]);
  if (!(await has("mvn"))) missing.push(["maven"]);
  if (missing.length > 0) {
    await installPackages(
      "Tests of checkpoints in S3 need a server: Go to build versitygw, or Java and Maven for S3Mock",
      missing,
      "Java and Maven",
    );
  }
  const goal = ["-B", "-ntp", "dependency:copy", `-Dartifact=${mock}`, `-DoutputDirectory=${target}`];
  await run("s3mock", ["mvn", ...goal], { timeoutMs: 600_000 });
}
