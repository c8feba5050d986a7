import { createWriteStream } from "node:fs";
import { once } from "node:events";
import type { Command } from "commander";
import type { StateQuery } from "@reprise/engine";
import { wholeNumber } from "../arguments.ts";
import { defaultDevFolder, devFolder } from "../dev/dev-folder.ts";
import { formatCount } from "../output/format.ts";
import type { Reporter } from "../output/reporter.ts";
import type { Terminal } from "../output/terminal.ts";
import { type DifferentRow, diffStates } from "../state/diff-states.ts";
import { referenceHelp, type StateReference, stateReference } from "../state/state-reference.ts";
import { type StateSourceFlags, StateSources } from "../state/state-sources.ts";
import type { StateRow, TaskState } from "../state/task-state.ts";

interface StateFlags extends StateSourceFlags {
  readonly state?: string;
  readonly key?: string;
  readonly entry?: string;
  readonly limit?: number;
  readonly output?: string;
}

/** `reprise state get | scan | diff | export`: what tasks hold, live, in a checkpoint, or as it was. */
export function addStateCommand(program: Command, reporter: Reporter, terminal: Terminal): void {
  const state = program.command("state").description(`the state of a deployment's tasks; of ${referenceHelp}`);
  const print = async (line: string): Promise<void> => {
    terminal.out(`${line}\n`);
    await terminal.taken?.();
  };

  common(state.command("get"))
    .description("the rows of one key")
    .argument("<deployment>", referenceHelp, stateReference)
    .argument("<state>", "a state, window, timer or table of the version")
    .argument("<key>")
    .option("--entry <key>", "one entry of it: a map's key, a list's index")
    .action((reference: StateReference, name: string, key: string, flags: StateFlags) =>
      withSources(flags, async (sources) => {
        const task = flags.task ?? (await sources.taskOf(reference, key));
        const found = await sources.open(reference, task, { state: name, key });
        try {
          const rows: StateRow[] = [];
          for await (const row of found.rows) if (flags.entry === undefined || isEntry(row, flags.entry)) rows.push(row);
          const { how, n, position } = found;
          const text =
            rows.length === 0 ? `${reference.text}: ${name} has no row for '${key}' in task ${task}` : rows.map(rowText).join("\n");
          reporter.result({ found: rows.length > 0, task, how, n, position, rows }, text);
        } finally {
          await found.close();
        }
      }),
    );

  selecting(common(state.command("scan")))
    .description("rows in the order of the store")
    .argument("<deployment>", referenceHelp, stateReference)
    .option("--limit <n>", "at most so many", wholeNumber(1))
    .action((reference: StateReference, flags: StateFlags) =>
      withSources(flags, async (sources) => {
        const limit = flags.limit ?? Number.POSITIVE_INFINITY;
        const { rows, tasks } = await eachRow(sources, reference, flags, limit, (row) =>
          print(reporter.json ? JSON.stringify(row) : rowText(row)),
        );
        reporter.result({ deployment: reference.deployment, rows, tasks }, `${formatCount(rows)} rows; ${tasks.map(taskText).join(", ")}`);
      }),
    );

  selecting(common(state.command("export")))
    .description("all rows as lines of JSON: task, state, kind, key, entry, value")
    .argument("<deployment>", referenceHelp, stateReference)
    .option("--output <file>", "default: standard output")
    .action((reference: StateReference, flags: StateFlags) =>
      withSources(flags, async (sources) => {
        if (flags.output === undefined) {
          await eachRow(sources, reference, flags, Number.POSITIVE_INFINITY, (row) => print(JSON.stringify(row)));
          return;
        }
        const file = createWriteStream(flags.output);
        await once(file, "open");
        const { rows, tasks } = await eachRow(sources, reference, flags, Number.POSITIVE_INFINITY, async (row) => {
          if (!file.write(`${JSON.stringify(row)}\n`)) await once(file, "drain");
        });
        file.end();
        await once(file, "finish");
        const { deployment } = reference;
        reporter.result(
          { deployment, file: flags.output, rows, tasks },
          `${formatCount(rows)} rows in ${flags.output}; ${tasks.map(taskText).join(", ")}`,
        );
      }),
    );

  selecting(common(state.command("diff")))
    .description("rows in which two states differ, with both values; those of the first are held in memory")
    .argument("<left>", referenceHelp, stateReference)
    .argument("<right>", "the same", stateReference)
    .action((left: StateReference, right: StateReference, flags: StateFlags) =>
      withSources(flags, async (sources) => {
        const query = queryOf(flags);
        const counts = { left: 0, right: 0, differ: 0 };
        const where: { left: TaskPlace; right: TaskPlace }[] = [];
        // Both have to be of whole deployments, or of one task.
        const [tasks] = await Promise.all([sources.tasks(left), sources.tasks(right)]);
        for (const task of tasks) {
          const sides = { left: await sources.open(left, task, query), right: await sources.open(right, task, query) };
          try {
            const found = await diffStates(sides.left.rows, sides.right.rows, (row) => {
              counts.differ += 1;
              return print(reporter.json ? JSON.stringify(row) : differenceText(row));
            });
            counts.left += found.left;
            counts.right += found.right;
            where.push({ left: placeOf(sides.left), right: placeOf(sides.right) });
          } finally {
            await sides.left.close();
            await sides.right.close();
          }
        }
        const text = `${formatCount(counts.differ)} rows differ, of ${formatCount(counts.left)} in ${left.text} and ${formatCount(counts.right)} in ${right.text}`;
        reporter.result({ ...counts, tasks: where }, text);
      }),
    );
}

function common(command: Command): Command {
  const folder = devFolder(defaultDevFolder);
  return command
    .option("--task <n>", "of this task only; default: all (get: the key's)", wholeNumber(0))
    .option("--controller <url>", "asked for the workers of a live state")
    .option("--bootstrap <address>", "Kafka (default: REPRISE_BOOTSTRAP, else that of `reprise dev` here)")
    .option("--checkpoints <folder>", "checkpoint store", process.env["REPRISE_CHECKPOINTS"] ?? folder.checkpoints)
    .option("--artifacts <folder>", "where artifacts are kept", process.env["REPRISE_ARTIFACTS"] ?? folder.artifacts)
    .option("--json", "JSON, a line per row");
}

const selecting = (command: Command): Command =>
  command.option("--state <name>", "of this state, window, timer or table only").option("--key <key>", "of this key only; with --state");

async function withSources(flags: StateFlags, work: (sources: StateSources) => Promise<void>): Promise<void> {
  const sources = new StateSources(flags);
  try {
    await work(sources);
  } finally {
    await sources.close();
  }
}

interface TaskPlace {
  readonly task: number;
  readonly how: string;
  readonly n: number;
  readonly position: { readonly [topic: string]: number };
}

const placeOf = ({ task, how, n, position }: TaskState): TaskPlace => ({ task, how, n, position });

async function eachRow(
  sources: StateSources,
  reference: StateReference,
  flags: StateFlags,
  limit: number,
  take: (row: StateRow) => Promise<void>,
): Promise<{ rows: number; tasks: TaskPlace[] }> {
  const tasks: TaskPlace[] = [];
  let rows = 0;
  for (const task of await sources.tasks(reference)) {
    if (rows >= limit) break;
    const found = await sources.open(reference, task, queryOf(flags));
    tasks.push(placeOf(found));
    try {
      for await (const row of found.rows) {
        await take(row);
        rows += 1;
        if (rows >= limit) break;
      }
    } finally {
      await found.close();
    }
  }
  return { rows, tasks };
}

const queryOf = ({ state, key }: StateFlags): StateQuery => ({
  ...(state === undefined ? {} : { state }),
  ...(key === undefined ? {} : { key }),
});

/** `--entry JFK` is what people type; `--entry '"JFK"'` is JSON. */
const isEntry = ({ entry }: StateRow, text: string): boolean => entry === text || JSON.stringify(entry) === text;

const nameText = ({ state, kind, key, entry }: StateRow): string => {
  const name = kind === "window items" ? `${state} (items)` : state;
  return `${name} ${JSON.stringify(key)}${entry === undefined ? "" : ` ${JSON.stringify(entry)}`}`;
};
const rowText = (row: StateRow): string => `${nameText(row)}: ${JSON.stringify(row.value)}`;
const taskText = ({ task, how, n }: TaskPlace): string => `task ${task} ${how} at commit ${n}`;

function differenceText({ row, left, right }: DifferentRow): string {
  if (left === undefined) return `+ ${nameText(row)}: ${JSON.stringify(right)}`;
  if (right === undefined) return `- ${nameText(row)}: ${JSON.stringify(left)}`;
  return `~ ${nameText(row)}: ${JSON.stringify(left)} → ${JSON.stringify(right)}`;
}
