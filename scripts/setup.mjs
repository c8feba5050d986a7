// node scripts/setup.mjs [--json]: everything that demo and tests need beside Node: packages, the native Kafka client, builds, Kafka itself.
// Does what is missing and nothing else; with nothing missing it takes a fraction of a second. --json keeps stdout empty.
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build, buildReady } from "./set-up/build.mjs";
import { dependenciesReady, installDependencies } from "./set-up/dependencies.mjs";
import { brokerReady, fetchBroker } from "./set-up/kafka-broker.mjs";
import { fetchS3Server, s3ServerReady } from "./set-up/s3-server.mjs";
import { withLock } from "./set-up/lock.mjs";
import { root, SetUpError, step } from "./set-up/steps.mjs";

export { SetUpError };

/**
 * @param {{ print?: (line: string) => void, tests?: boolean }} [options] print: where progress goes, line by line; tests: false without what only they need
 * @throws {SetUpError} with a message for people
 */
export async function setUp({ print = console.log, tests = true } = {}) {
  requireNode();
  const context = { print };
  if (dependenciesReady() && buildReady() && brokerReady() !== undefined && (!tests || s3ServerReady() !== undefined)) return;
  print("Set-up");
  await withLock(context, async () => {
    // Both at once: one waits for the network while the other compiles.
    const outcomes = await Promise.allSettled([
      (async () => {
        await unless(context, dependenciesReady, "npm packages", () => installDependencies(context));
        await unless(context, buildReady, "build", build);
      })(),
      (async () => {
        const ready = brokerReady();
        await step(context, "Kafka", async () => ready ?? (await fetchBroker()));
        // After it: it brings Java and Maven where they are missing.
        if (tests) await step(context, "S3 server", async () => s3ServerReady() ?? (await fetchS3Server()));
      })(),
    ]);
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  });
}

async function unless(context, ready, title, work) {
  await step(context, title, async () => (ready() ? "nothing to do" : await work()));
}

function requireNode() {
  const wanted = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).engines.node.replace(">=", "");
  const numbers = (version) => version.split(".").map(Number);
  const [have, need] = [numbers(process.versions.node), numbers(wanted)];
  const at = have.findIndex((part, i) => part !== need[i]);
  if (at >= 0 && have[at] < need[at]) throw new SetUpError(`Node ${wanted} or newer is needed; this is ${process.versions.node}.`);
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const print = process.argv.includes("--json") ? console.error : console.log;
  const started = performance.now();
  try {
    await setUp({ print });
    print(`Everything is there (${((performance.now() - started) / 1_000).toFixed(1)} s)`);
  } catch (error) {
    console.error(error instanceof SetUpError ? error.message : error);
    process.exitCode = 1;
  }
}
