// node scripts/verify.mjs [--quick]: everything that CI checks, in order; stops at the first failure. --quick leaves out the whole-system
// tests in test/. The last line counts tests, and each other check as one.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const reports = join(root, ".reprise", "verify");
const api = "packages/reprise/test/api/tsconfig.json";

/** @typedef {{ title: string, command: string[], tests?: string, unless?: string }} Step */

/** @type {Step[]} */
const steps = [
  { title: "format", command: ["biome", "format", "."] },
  { title: "layers", command: ["node", "scripts/check-layers.mjs"] },
  { title: "generated docs", command: ["node", "scripts/generate-docs.mjs", "--check"] },
  { title: "types", command: ["tsc", "-b"] },
  { title: "types of tests", command: ["tsc", "-p", "tsconfig.tests.json"] },
  {
    title: "type tests of the authoring surface",
    command: ["tsc", "-p", api],
    unless: existsSync(join(root, api)) ? undefined : `${api} is missing`,
  },
  // After the types: the type-aware rules read the packages' declarations.
  { title: "lint", command: ["oxlint", "--type-aware"] },
  testStep("unit tests", ["unit"]),
  testStep("integration tests", ["disk", "int"]),
  ...(process.argv.includes("--quick") ? [] : [testStep("system tests", ["system"])]),
];

rmSync(reports, { recursive: true, force: true });
mkdirSync(reports, { recursive: true });
const results = [];
for (const step of steps)
  results.push(
    await run(
      step,
      results.some(({ outcome }) => outcome === "failed"),
    ),
  );
summarize(results);

function testStep(title, projects) {
  const report = join(reports, `${projects.join("-")}.json`);
  const chosen = projects.flatMap((name) => ["--project", name]);
  const command = ["vitest", "run", ...chosen, "--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  return { title, command, tests: report };
}

async function run(step, failedBefore) {
  if (failedBefore) return { ...step, outcome: "not run", seconds: 0, counts: undefined };
  console.log(`\n=== ${step.title} ===`);
  if (step.unless !== undefined) {
    console.error(step.unless);
    return { ...step, outcome: "failed", seconds: 0, counts: undefined };
  }
  const started = performance.now();
  const code = await execute(step.command);
  const seconds = (performance.now() - started) / 1_000;
  const counts = step.tests === undefined ? undefined : countsOf(step.tests);
  // A run that found no tests is no success, whatever it says.
  const empty = step.tests !== undefined && (counts === undefined || counts.passed === 0);
  const outcome = code === 0 && !empty ? "passed" : "failed";
  console.log(`--- ${step.title}: ${outcome} in ${seconds.toFixed(1)} s`);
  return { ...step, outcome, seconds, counts };
}

async function execute([name, ...rest]) {
  const bin = join(root, "node_modules", ".bin");
  const child = spawn(name === "node" ? process.execPath : join(bin, name), rest, { cwd: root, stdio: "inherit" });
  const stop = () => child.kill("SIGINT");
  process.once("SIGINT", stop);
  try {
    const [code, signal] = await once(child, "exit");
    return signal === null ? code : 1;
  } finally {
    process.removeListener("SIGINT", stop);
  }
}

function countsOf(report) {
  if (!existsSync(report)) return undefined;
  const {
    numPassedTests: passed,
    numFailedTests: failed,
    numPendingTests: skipped,
    numTodoTests: todo,
  } = JSON.parse(readFileSync(report, "utf8"));
  return { passed, failed, skipped: skipped + todo };
}

function summarize(all) {
  console.log("\n=== summary ===");
  let passed = 0;
  let failed = 0;
  for (const { title, outcome, seconds, counts } of all) {
    const tests =
      counts === undefined
        ? ""
        : `${counts.passed} passed, ${counts.failed} failed${counts.skipped > 0 ? `, ${counts.skipped} skipped` : ""}`;
    console.log(`${outcome.padEnd(8)} ${`${seconds.toFixed(1)} s`.padStart(9)}  ${title}${tests === "" ? "" : `: ${tests}`}`);
    passed += counts?.passed ?? (outcome === "passed" ? 1 : 0);
    failed += Math.max(counts?.failed ?? 0, outcome === "failed" ? 1 : 0);
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}
