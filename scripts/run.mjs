// node scripts/run.mjs demo|test|torture [arguments]: the set-up, then one of them. With --json everything but the last line of stdout
// goes to stderr.
import { spawn } from "node:child_process";
import { root } from "./set-up/steps.mjs";
import { setUp, SetUpError } from "./setup.mjs";

const targets = {
  demo: ["test/dist/demo/demo.js"],
  test: ["scripts/verify.mjs"],
  torture: ["scripts/run-source.mjs", "test/torture/main.ts"],
};

const [name, ...rest] = process.argv.slice(2);
const target = Object.hasOwn(targets, name ?? "") ? targets[name] : undefined;
if (target === undefined) {
  console.error(`usage: node scripts/run.mjs ${Object.keys(targets).join("|")} [arguments]`);
  process.exit(2);
}

try {
  await setUp({ print: rest.includes("--json") ? console.error : console.log, tests: name === "test" });
} catch (error) {
  console.error(error instanceof SetUpError ? error.message : error);
  process.exit(1);
}

const child = spawn(process.execPath, [...target, ...rest], { cwd: root, stdio: "inherit" });
// The child decides when to end. A terminal sends Ctrl-C to both; a signal to this process alone is passed on.
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => child.kill("SIGTERM"));
child.once("exit", (code, signal) => {
  process.exitCode = signal === null ? code : signal === "SIGINT" ? 130 : 1;
});
