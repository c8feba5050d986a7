// npm run torture -- [--seconds N] [--seed S] [--json]: workers on a real Kafka under faults, then every output value, every row and every position against
// models. The last line says how it went; ends with 1 when something differs.
import { parseArgs } from "node:util";
import { torture } from "./torture.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: "1" },
    json: { type: "boolean", default: false },
  },
});
const [seconds, seed] = [Number(values.seconds), Number(values.seed)];
if (!Number.isSafeInteger(seconds) || seconds < 1 || !Number.isSafeInteger(seed) || seed < 0) {
  console.error("usage: npm run torture -- [--seconds N] [--seed S] [--json]");
  process.exit(2);
}

/** With --json only the last line is for stdout. */
const print = values.json ? console.error : console.log;
const { examples, folder, ...result } = await torture({ seconds, seed, log: print });
for (const example of examples) print(example);
if (folder !== undefined) print(`again: npm run torture -- --seconds ${seconds} --seed ${seed}; everything that was there: ${folder}`);
console.log(values.json ? JSON.stringify(result) : `${result.ok ? "equal" : "DIFFERENT"}: ${JSON.stringify(result)}`);
process.exit(result.ok ? 0 : 1);
