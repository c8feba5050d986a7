// The demo: three million flights, two versions of a processor, a replay, two cutovers and a rollback, checked row by row.
import { parseArgs } from "node:util";
import type { DemoEnvironment } from "./environment.ts";
import { count, createNarrator, type Narrator } from "./narrator.ts";
import { type DemoResult, tellStory } from "./story.ts";

const usage = `npm run demo -- [--records N] [--json] [--keep]

  --records N  only the first N flights (at least 5000; default: all three million)
  --json       the story goes to stderr, and stdout ends with one line of JSON
  --keep       leave everything running at the end, until Ctrl-C, to look around

REPRISE_BOOTSTRAP=host:port uses an existing Kafka instead of one of its own.`;

const fewestRecords = 5_000;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      records: { type: "string" },
      json: { type: "boolean", default: false },
      keep: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(`${usage}\n`);
    return 0;
  }
  const records = values.records === undefined ? undefined : Number(values.records);
  if (records !== undefined && !(Number.isInteger(records) && records >= fewestRecords)) {
    throw new Error(`--records takes a whole number of at least ${fewestRecords}, and not '${values.records}'`);
  }
  const narrator = createNarrator(values.json ? process.stderr : process.stdout);
  const bootstrap = process.env.REPRISE_BOOTSTRAP;
  const result = await tellStory({
    narrator,
    ...(records === undefined ? {} : { records }),
    ...(bootstrap === undefined || bootstrap === "" ? {} : { environment: { bootstrap } }),
    onStarted: stopOnSignal,
    async onResult(outcome, environment) {
      tellResult(narrator, outcome);
      if (values.keep) tellWhatRuns(narrator, environment);
      else tellWhereNext(narrator);
      if (values.json) process.stdout.write(`${JSON.stringify(outcome)}\n`);
      // Ctrl-C ends the process in stopOnSignal.
      if (values.keep) await new Promise((resolve) => setInterval(resolve, 2 ** 31 - 1));
    },
  });
  return result.ok ? 0 : 1;
}

/** Ends Kafka, controller and workers before this process. A second signal ends it at once. */
function stopOnSignal(environment: DemoEnvironment): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      void environment.stop().finally(() => process.exit(signal === "SIGINT" ? 130 : 143));
    });
  }
}

function tellResult(narrator: Narrator, result: DemoResult): void {
  narrator.heading(result.ok ? "All answers agree." : "Answers differ: see above.");
  narrator.line(
    `${count(result.records)} flights, replayed at ${count(result.replayRecordsPerSecond)} records/s; cutover ${result.cutoverMs} ms, rollback ${result.rollbackMs} ms`,
  );
  narrator.line(`${result.seconds} s in all`);
}

function tellWhatRuns(narrator: Narrator, { controllerUrl, names }: DemoEnvironment): void {
  narrator.heading("Everything goes on until Ctrl-C. Look around:");
  narrator.line(`npx reprise status --controller ${controllerUrl}`);
  narrator.line(`npx reprise get ${names.processor} totals ATL --controller ${controllerUrl}`);
  narrator.line(`npx reprise rollback ${names.processor} --controller ${controllerUrl}`);
  narrator.line(`curl ${controllerUrl}/metrics`);
}

function tellWhereNext(narrator: Narrator): void {
  narrator.heading("Where to look next");
  narrator.line("packages/processors/airport-delays   both versions, with their tests");
  narrator.line("README.md                            write a processor of your own");
  narrator.line("docs/DESIGN.md                       how it works");
  narrator.line("npm run demo -- --keep               the same again, and everything stays up to look around");
}

main().then(
  (status) => {
    process.exitCode = status;
  },
  (error: unknown) => {
    process.stderr.write(
      `\nThe demo failed: ${error instanceof Error ? (process.env.DEBUG === undefined ? error.message : error.stack) : String(error)}\n`,
    );
    process.exitCode = 1;
  },
);
