// npm run simulate -- [--seeds N] [--from S] [--seed S] [--schedule 'fault; fault'] [--trace] [--json]: sessions, controllers and workers on a simulated
// Kafka, under faults at every await. The last line says how it went; ends with 1 when an invariant was violated.
import { parseArgs } from "node:util";
import { shrink } from "./shrink.ts";
import { story, type StoryResult } from "./story.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "200" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    schedule: { type: "string" },
    trace: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    /** Ends with the first violation, and does not shorten its schedule. */
    first: { type: "boolean", default: false },
  },
});
const seeds = values.seed === undefined ? Number(values.seeds) : 1;
const from = Number(values.seed ?? values.from);
if (!Number.isSafeInteger(seeds) || seeds < 1 || !Number.isSafeInteger(from) || from < 0) {
  console.error("usage: npm run simulate -- [--seeds N] [--from S] [--seed S] [--schedule 'fault; fault'] [--trace] [--first] [--json]");
  process.exit(2);
}

/** With --json only the last line is for stdout. */
const print = values.json ? console.error : console.log;
const only = values.schedule === undefined ? undefined : new Set(values.schedule.split(";").map((fault) => fault.trim()));
const started = performance.now();
const total = { seeds: 0, violations: 0, faults: 0, commits: 0, records: 0, cutovers: 0, events: 0 };
let first: { readonly seed: number; readonly invariant: string; readonly message: string } | undefined;
for (let seed = from; seed < from + seeds; seed++) {
  const result = await story({ seed, ...(only === undefined ? {} : { only }), ...(values.trace ? { trace: print } : {}) });
  total.seeds++;
  total.faults += result.faults.length;
  for (const count of ["commits", "records", "cutovers", "events"] as const) total[count] += result[count];
  if (result.violation === undefined) continue;
  total.violations++;
  first ??= { seed, invariant: result.violation.invariant, message: result.violation.message };
  if (values.first) break;
  report(only === undefined ? await shrink(result) : result, result.faults.length);
}
const seconds = Math.round((performance.now() - started) / 100) / 10;
const ok = total.violations === 0;
if (values.json) console.log(JSON.stringify({ ok, ...total, from, seconds, ...(first === undefined ? {} : { first }) }));
else console.log(`${ok ? "no violation" : "VIOLATED"}: ${JSON.stringify({ ...total, seconds })}`);
process.exitCode = ok ? 0 : 1;

function report({ seed, violation, faults }: StoryResult, before: number): void {
  print(`\nseed ${seed} violates '${violation?.invariant}': ${violation?.message}`);
  print(`with ${faults.length} of ${before} faults:`);
  for (const fault of faults) print(`  ${fault}`);
  print(`npm run simulate -- --seed ${seed} --schedule '${faults.join("; ")}'`);
}
