import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildArtifact } from "../src/artifact/build-artifact.ts";
import { main } from "../src/main.ts";
import { TestTerminal } from "./support/test-terminal.ts";

const root = resolve(import.meta.dirname, "../../..");
const careless = join(import.meta.dirname, "fixtures/nondeterministic/processor.ts");
const helper = join(import.meta.dirname, "fixtures/nondeterministic/helper.ts");
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "reprise-lint-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Where each of these stands in a file, as an editor counts: line:column. */
async function placesOf(file: string, ...texts: readonly string[]): Promise<string[]> {
  const lines = (await readFile(file, "utf8")).split("\n");
  return texts.map((text) => {
    const line = lines.findIndex((one) => one.includes(text));
    return `${line + 1}:${(lines[line] as string).indexOf(text) + 1}`;
  });
}

describe("clocks, randomness, timers and network in a processor", () => {
  it("are found where they stand in the sources, and only those that were written there", async () => {
    const { warnings } = await buildArtifact(careless, folder, { conditions: ["source"] });
    const expected = [
      ...(await placesOf(
        careless,
        "performance.now()",
        "Date.now();",
        "new Date()}",
        "Math.random()",
        "globalThis.crypto.randomUUID",
        'process["hrtime"]',
        "setTimeout(",
        "fetch(",
      )),
      ...(await placesOf(helper, "import { randomUUID }")),
    ];
    expect(warnings.map(({ line, column }) => `${line}:${column}`)).toEqual(expected);
    expect(warnings[1]).toMatchObject({
      message: expect.stringContaining("Date.now in a processor: a replay gives another time") as string,
    });
    expect(warnings.at(-1)?.file).toMatch(/fixtures\/nondeterministic\/helper\.ts$/);
  });

  it("are none in processors that have none", async () => {
    for (const file of ["counter.ts", "sums.ts", "rekeyed/v1.ts"]) {
      const { warnings } = await buildArtifact(join(import.meta.dirname, "fixtures", file), folder, { conditions: ["source"] });
      expect(warnings).toEqual([]);
    }
  });

  it("are warnings of reprise build, with file and line, and refused with --strict", async () => {
    const built = new TestTerminal();
    expect(await main(["build", careless, "--artifacts", join(folder, "a")], built)).toBe(0);
    expect(built.stderr.split("\n").filter((line) => /^warning: .*processor\.ts:\d+:\d+: .* in a processor: /.test(line))).toHaveLength(8);
    const strict = new TestTerminal();
    expect(await main(["build", careless, "--artifacts", join(folder, "b"), "--strict", "--json"], strict)).toBe(1);
    expect(JSON.parse(strict.stdout)).toMatchObject({ error: { code: "NOT_DETERMINISTIC", details: { places: 9 } } });
    // It was not frozen: the code can still be put right under this version.
    const again = new TestTerminal();
    await main(["build", careless, "--artifacts", join(folder, "b"), "--json"], again);
    expect(JSON.parse(again.stdout)).toMatchObject({ isNew: true });
  });

  it("are found by oxlint with the plugin, in the same places", async () => {
    const plugin = join(root, "packages/reprise/dist/eslint-plugin.js");
    const config = join(folder, ".oxlintrc.json");
    await writeFile(
      config,
      JSON.stringify({
        plugins: [],
        categories: { correctness: "off" },
        jsPlugins: [plugin],
        rules: { "reprise/no-nondeterminism": "error" },
      }),
    );
    const run = promisify(execFile)(join(root, "node_modules/.bin/oxlint"), ["-c", config, "--format", "json", careless, helper]);
    const { stdout } = (await run.catch((error: unknown) => error)) as { stdout: string };
    const { diagnostics } = JSON.parse(stdout) as {
      diagnostics: { code: string; filename: string; labels: { span: { line: number; column: number } }[] }[];
    };
    const found = diagnostics
      .map(({ filename, labels }) => `${filename.slice(filename.lastIndexOf("/") + 1)} ${labels[0]?.span.line}`)
      .sort();
    const { warnings } = await buildArtifact(careless, folder, { conditions: ["source"] });
    const places = warnings.map(({ file, line }) => `${file.slice(file.lastIndexOf("/") + 1)} ${line}`);
    // A comment for `reprise build` is none for the linter, which has its own.
    const [allowed] = await placesOf(careless, "const shown");
    expect(found).toEqual([...places, `processor.ts ${(allowed as string).split(":")[0]}`].sort());
    expect(diagnostics.every(({ code }) => code.includes("no-nondeterminism"))).toBe(true);
  });
});
