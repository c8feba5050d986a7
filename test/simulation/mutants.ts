// npm run mutants -- [--only NAME] [--seeds N] [--json]: plants faults in the real code, one after the other, and runs the simulation on it until it
// is caught. The last line says how many were; ends with 1 when one was not.
import { execFile } from "node:child_process";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { build, type Plugin } from "esbuild";
import { type Mutant, mutants } from "./mutant-list.ts";
import { story } from "./story.ts";

const { values } = parseArgs({
  options: { only: { type: "string" }, seeds: { type: "string", default: "3000" }, json: { type: "boolean", default: false } },
});
const print = values.json ? console.error : console.log;
const root = process.cwd();
const folder = join(root, ".reprise", "mutants");
const chosen = mutants.filter(({ name }) => values.only === undefined || name.includes(values.only));
const atOnce = 2;
/** A mutant may hang where nothing can catch it: that is no catch. */
const timeoutMs = 20 * 60_000;

const externals: Plugin = {
  name: "externals",
  setup({ onResolve }) {
    onResolve({ filter: /^[^./]/ }, ({ path, kind }) =>
      kind === "entry-point" || /^(@reprise\/|reprise($|\/))/.test(path) ? undefined : { path, external: true },
    );
  },
};

interface Caught {
  readonly seed: number;
  readonly invariant: string;
  readonly message: string;
}

await mkdir(folder, { recursive: true });
const caught = new Map<Mutant, Caught | undefined>();
const waiting = [...chosen];
await Promise.all(
  Array.from({ length: atOnce }, async () => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const by = await run(mutant);
      // What the code as it is fails with as well was not the mutant's.
      if (by !== undefined && (await story({ seed: by.seed })).violation !== undefined)
        throw new Error(`seed ${by.seed} fails without any mutant`);
      caught.set(mutant, by);
    }
  }),
);
await rm(folder, { recursive: true, force: true });
const width = Math.max(...chosen.map(({ name }) => name.length));
for (const mutant of chosen) {
  const by = caught.get(mutant);
  const how =
    by === undefined ? "NOT CAUGHT" : `seed ${String(by.seed).padStart(4)}  ${by.invariant}: ${by.message.split("\n")[0]?.slice(0, 110)}`;
  print(`${mutant.name.padEnd(width)}  ${how}`);
}
const count = [...caught.values()].filter((by) => by !== undefined).length;
const result = { planted: chosen.length, caught: count };
if (values.json) console.log(JSON.stringify(result));
else console.log(`${count} of ${chosen.length} caught`);
process.exitCode = count === chosen.length ? 0 : 1;

/** In a process of its own, on a bundle in which the fault stands: the tree is left alone. */
async function run(mutant: Mutant): Promise<Caught | undefined> {
  const file = join(folder, `${mutant.name.replaceAll(/\W+/g, "-")}.mjs`);
  const done = new Set<string>();
  await build({
    absWorkingDir: root,
    entryPoints: [join(root, "test", "simulation", "main.ts")],
    outfile: file,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    conditions: ["source"],
    plugins: [planted(mutant, done), externals],
    logLevel: "silent",
  });
  const left = mutant.changes.filter((change) => !done.has(change.find));
  if (left.length > 0)
    throw new Error(`'${mutant.name}' was not planted: ${left.map((change) => change.file).join(", ")} is no part of what is simulated`);
  const { stdout } = await promisify(execFile)(process.execPath, [file, "--first", "--json", "--seeds", values.seeds], {
    timeout: timeoutMs,
    maxBuffer: 1 << 26,
  }).catch((error: unknown) => error as { stdout: string });
  const last = stdout.trim().split("\n").at(-1) ?? "";
  return last.startsWith("{") ? (JSON.parse(last) as { first?: Caught }).first : undefined;
}

/** Files come with the fault in them. */
function planted({ name, changes }: Mutant, done: Set<string>): Plugin {
  return {
    name: "planted",
    setup({ onLoad }) {
      for (const file of new Set(changes.map((change) => change.file))) {
        onLoad({ filter: new RegExp(`${file.replaceAll(/[.]/g, "\\.")}$`) }, async ({ path }) => {
          let contents = await readFile(path, "utf8");
          for (const { find, replace } of changes.filter((change) => change.file === file)) {
            if (contents.split(find).length !== 2)
              throw new Error(`'${name}' can't be planted: ${file} does not have this exactly once: ${find}`);
            contents = contents.replace(find, () => replace);
            done.add(find);
          }
          return { contents, loader: "ts" };
        });
      }
    },
  };
}
