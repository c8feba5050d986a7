// npm run torture -- [--seconds N | --matrix] [--seed S] [--json]: workers on a real Kafka under random faults, or killed at every failpoint; then every output
// value, every row and every position against models. The last line says how it went; ends with 1 when something differs.
import { parseArgs } from "node:util";
import { type Failpoint, failpoints } from "@reprise/engine";
import { matrix } from "./matrix.ts";
import { torture } from "./torture.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: "1" },
    matrix: { type: "boolean", default: false },
    point: { type: "string", multiple: true },
    json: { type: "boolean", default: false },
  },
});
const [seconds, seed] = [Number(values.seconds), Number(values.seed)];
const all: readonly string[] = Object.values(failpoints).flat();
const points = values.point as Failpoint[] | undefined;
if (
  !Number.isSafeInteger(seconds) ||
  seconds < 1 ||
  !Number.isSafeInteger(seed) ||
  seed < 0 ||
  points?.some((point) => !all.includes(point))
) {
  console.error("usage: npm run torture -- [--seconds N | --matrix [--point <failpoint>]…] [--seed S] [--json]");
  process.exit(2);
}

/** With --json only the last line is for stdout. */
const print = values.json ? console.error : console.log;
const { examples, folder, ...result } = values.matrix
  ? await matrix({ seed, log: print, ...(points === undefined ? {} : { points }) })
  : await torture({ seconds, seed, log: print });
for (const example of examples) print(example);
const what = values.matrix ? "--matrix" : `--seconds ${seconds}`;
if (folder !== undefined) print(`again: npm run torture -- ${what} --seed ${seed}; everything that was there: ${folder}`);
console.log(values.json ? JSON.stringify(result) : `${result.ok ? "equal" : "DIFFERENT"}: ${JSON.stringify(result)}`);
process.exit(result.ok ? 0 : 1);
