import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { testProcessor } from "reprise/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../../", import.meta.url));
const toolOf = (name: string): string => dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));

/** Every page that people read; pages that are made from tables are checked by their generator. */
const pages = [
  ...["README.md", "docs/DESIGN.md"],
  ...(await pagesIn("docs/guide")),
  ...(await pagesIn("docs/adr")),
  ...(await readdir(join(root, "examples"))).sort().map((name) => `examples/${name}/README.md`),
];

async function pagesIn(folder: string): Promise<string[]> {
  const names = await readdir(join(root, folder));
  return names
    .filter((name) => name.endsWith(".md"))
    .sort()
    .map((name) => `${folder}/${name}`);
}

/** The code blocks of a page as files. A block whose first line is a comment with a file name has that name, so that others import it. */
async function writeBlocks(page: string, folder: string): Promise<string[]> {
  const text = await readFile(join(root, page), "utf8");
  const files: string[] = [];
  for (const [, code = ""] of text.matchAll(/^```ts\n(.*?)^```$/gms)) {
    const name = /^\/\/ ([a-z][\w.-]*\.ts)\b/.exec(code)?.[1] ?? `block-${files.length + 1}.ts`;
    if (files.includes(name)) throw new Error(`${page} has two blocks named ${name}`);
    files.push(name);
    await writeFile(join(folder, name), code);
  }
  return files;
}

/** By page: where its blocks are, and their names. */
const written = new Map<string, { readonly folder: string; readonly files: readonly string[] }>();
let folder = "";

beforeAll(async () => {
  // Inside the repository, where `reprise` is found.
  await mkdir(join(root, ".reprise"), { recursive: true });
  folder = await mkdtemp(join(root, ".reprise", "docs-"));
  for (const page of pages) {
    const own = join(folder, page.replace(/\W/g, "-"));
    await mkdir(own);
    written.set(page, { folder: own, files: await writeBlocks(page, own) });
  }
  const compilerOptions = {
    composite: false,
    incremental: false,
    declaration: false,
    declarationMap: false,
    sourceMap: false,
    noEmit: true,
    customConditions: ["source"],
  };
  await writeFile(
    join(folder, "tsconfig.json"),
    JSON.stringify({ extends: "../../tsconfig.base.json", compilerOptions, include: ["*/*.ts"] }),
  );
  const conditions = `{ resolve: { conditions: ["source"] }, ssr: { resolve: { conditions: ["source"], externalConditions: ["source"] } } }`;
  await writeFile(join(folder, "vitest.config.mjs"), `export default ${conditions};\n`);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe("what the README and the guides show", () => {
  it("is found", () => {
    for (const page of ["README.md", "docs/guide/processors.md"]) expect(written.get(page)?.files.length, page).toBeGreaterThan(1);
  });

  it("compiles", async () => {
    const tsc = join(toolOf("typescript"), "bin", "tsc");
    const result = await run(process.execPath, [tsc, "-p", folder]).catch((error: unknown) => error as { readonly stdout: string });
    expect(result.stdout).toBe("");
  });

  it("can be run by this release", async () => {
    let processors = 0;
    for (const { folder: own, files } of written.values()) {
      for (const file of files) {
        if (file.endsWith(".test.ts") || !(await readFile(join(own, file), "utf8")).includes("export default processor(")) continue;
        const { default: exported } = (await import(pathToFileURL(join(own, file)).href)) as {
          default: Parameters<typeof testProcessor>[0];
        };
        expect(() => testProcessor(exported), file).not.toThrow();
        processors++;
      }
    }
    expect(processors).toBeGreaterThan(1);
  });

  it("passes its own tests", async () => {
    const vitest = join(toolOf("vitest"), "vitest.mjs");
    const { REPRISE_BOOTSTRAP: _none, ...env } = process.env;
    const result = await run(process.execPath, [vitest, "run", "--root", folder, "--reporter=json"], { env }).catch(
      (error: unknown) => error as { readonly stdout: string },
    );
    const report = JSON.parse(result.stdout) as {
      readonly numPassedTests: number;
      readonly numFailedTests: number;
      readonly success: boolean;
    };
    expect(report, result.stdout).toMatchObject({ success: true, numFailedTests: 0 });
    expect(report.numPassedTests).toBeGreaterThan(3);
  });

  it.each(pages)("links to what exists: %s", async (page) => {
    const text = await readFile(join(root, page), "utf8");
    for (const [, target = ""] of text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
      if (/^https?:/.test(target)) continue;
      const file = join(root, dirname(page), target);
      expect(existsSync(file), `${page} links to ${relative(root, file)}`).toBe(true);
    }
  });
});
