// npm run differential -- [--cases N] [--seed S] [--only kind] [--json]: the engine against SQL over the same records. The last line says
// how it went; ends with 1 when a case differs.
import { parseArgs } from "node:util";
import { type Kind, kinds } from "./case.ts";
import { differential, type Mismatch } from "./differential.ts";
import { Model } from "./model.ts";

const { values } = parseArgs({
  options: {
    cases: { type: "string", default: "300" },
    seed: { type: "string", default: "1" },
    only: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
const cases = Number(values.cases);
const seed = Number(values.seed);
const only = values.only as Kind | undefined;
if (!Number.isSafeInteger(cases) || cases < 1 || !Number.isSafeInteger(seed) || seed < 0 || (only !== undefined && !kinds.includes(only))) {
  console.error(`usage: npm run differential -- [--cases N] [--seed S] [--only ${kinds.join("|")}] [--json]`);
  process.exit(2);
}

/** With --json only the last line is for stdout. */
const print = values.json ? console.error : console.log;
const model = await Model.open();
const started = performance.now();
const result = await differential(model, { cases, seed, only, onMismatch: report });
model.close();
const seconds = Math.round((performance.now() - started) / 100) / 10;
if (values.json) console.log(JSON.stringify({ ...result, seed, seconds }));
else {
  for (const kind of kinds) console.log(`${kind.padEnd(9)} ${result.compared[kind] ?? 0} compared, ${result.skipped[kind] ?? 0} skipped`);
  for (const [feature, times] of Object.entries(result.refused)) console.log(`  not supported yet: ${feature} (${times})`);
  console.log(
    `${result.ok ? "equal" : "DIFFERENT"}: ${cases} cases, ${result.mismatches} mismatches; ${JSON.stringify(result.rows)} in ${seconds} s`,
  );
}
process.exitCode = result.ok ? 0 : 1;

function report({ seed: of, kind, fault, shrunk }: Mismatch): void {
  print(`\nmismatch: npm run differential -- --cases 1 --seed ${of} --only ${kind}`);
  print(fault);
  print(`with ${shrunk.records.length} records, order "${shrunk.order}", disorder of the inputs ${shrunk.disorderMs.join(", ")} ms:`);
  for (const w of shrunk.windows) print(`  window ${JSON.stringify(w)}`);
  for (const record of shrunk.records) print(`  record ${JSON.stringify(record)}`);
}
