import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const repository = join(import.meta.dirname, "../..");
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "reprise-lint-"));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

/** The repository's own configuration, over one file with a planted fault. */
function lint(source: string): string {
  mkdirSync(join(root, "src"));
  writeFileSync(join(root, "src/planted.ts"), source);
  const compilerOptions = { strict: true, target: "es2023", module: "nodenext", types: [] };
  writeFileSync(join(root, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["src"] }));
  cpSync(join(repository, ".oxlintrc.json"), join(root, ".oxlintrc.json"));
  const { stdout, stderr } = spawnSync(join(repository, "node_modules/.bin/oxlint"), ["--type-aware", "src"], {
    cwd: root,
    encoding: "utf8",
  });
  return stdout + stderr;
}

describe("the linter's configuration", () => {
  const promised = "declare function save(): Promise<boolean>;\n";

  const faults: readonly (readonly [what: string, source: string, rule: string])[] = [
    ["a promise that nobody waits for", `${promised}export function f(): void {\n  save();\n}`, "no-floating-promises"],
    [
      "a promise in the middle of a chain of calls",
      `${promised}export const f = (): void => void [1].map(() => save()).forEach((p) => {\n  p.then(() => 1);\n});`,
      "no-floating-promises",
    ],
    ["a promise as a condition", `${promised}export const f = (): number => (save() ? 1 : 2);`, "no-misused-promises"],
    ["an async callback where none is waited for", `${promised}[1].forEach(async () => {\n  await save();\n});`, "no-misused-promises"],
    [
      "an async method where a void one is promised",
      `${promised}interface A {\n  f(): void;\n}\nexport const a: A = {\n  async f() {\n    await save();\n  },\n};`,
      "no-misused-promises",
    ],
    ["await of what is no promise", "export const f = async (): Promise<number> => await 7;", "await-thenable"],
    [
      "a promise returned out of a try",
      `${promised}export async function f(): Promise<boolean> {\n  try {\n    return save();\n  } catch {\n    return false;\n  }\n}`,
      "return-await",
    ],
    ["any in a public type", "export function f(a: any): void {\n  String(a);\n}", "no-explicit-any"],
    [
      "any that comes out of JSON",
      'export const f = (): number => {\n  const a = JSON.parse("1");\n  return a.b;\n};',
      "no-unsafe-assignment",
    ],
    [
      "a switch that forgets a case",
      'export function f(a: "x" | "y"): number {\n  switch (a) {\n    case "x":\n      return 1;\n  }\n  return 0;\n}',
      "switch-exhaustiveness-check",
    ],
  ];
  for (const [what, source, rule] of faults) {
    it(`finds ${what}`, () => {
      const output = lint(source);
      expect(output).toContain(rule);
      expect(output).toContain("planted.ts");
    });
  }

  it("has nothing against a promise that is waited for", () => {
    expect(lint(`${promised}export async function f(): Promise<boolean> {\n  return await save();\n}`)).toContain(
      "Found 0 warnings and 0 errors",
    );
  });
});
