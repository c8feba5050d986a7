import { describe, expect, it } from "vitest";
// @ts-expect-error: plain Node, without types
import { importsOf } from "../layers/imports.mjs";

describe("finding imports", () => {
  const specifiers = (source: string): string[] =>
    (importsOf(source) as { imports: { specifier: string }[] }).imports.map(({ specifier }) => specifier);

  it("sees every form", () => {
    const source = `import "a"; import b from "b"; import * as c from 'c'; import { d, type D } from "d"; import e, { f } from "e";
      import type { G } from "g"; import type H from "h"; export * from "i"; export * as j from "j"; export { k } from "k"; export type { L } from "l";
      const m = await import("m"); const n = require("n"); require.resolve("o"); import p from "p" with { type: "json" };
      type Q = import("q").Q; createRequire(import.meta.url)("r");\nimport {\n  s,\n  t,\n} from "s";`;
    expect(specifiers(source).sort()).toEqual("abcdeghijklmnopqrs".split(""));
  });

  it("sees nothing in comments, texts and regular expressions", () => {
    const source = `// import "a";\n/* import "b"; */ const x = 'import "c"'; const y = \`import "d" \${z + \`import "e"\`} from "f"\`;
      const r = /["'\`]/g; const q = /[/"]/.test(x) ? 1 / 2 / 3 : 0; object.import("g"); const from = "h"; export const i = "from"; export default "j";
      const t = import.meta.url;`;
    expect(specifiers(source)).toEqual([]);
    expect(specifiers(`${source}\nimport "k";`)).toEqual(["k"]);
  });

  it("reads on behind a template with a substitution", () => {
    expect(specifiers('const a = `x ${f({ b: `y ${c} z` })} "`; const d = await import("e");')).toEqual(["e"]);
  });

  it("tells types from values", () => {
    const typeOnly = (source: string): boolean => (importsOf(source) as { imports: { typeOnly: boolean }[] }).imports[0]?.typeOnly ?? false;
    for (const source of [
      'import type { A } from "a"',
      'import { type A, type B } from "a"',
      'export type { A } from "a"',
      'export type * from "a"',
      'import type A from "a"',
    ]) {
      expect(typeOnly(source), source).toBe(true);
    }
    for (const source of [
      'import { A } from "a"',
      'import { type A, b } from "a"',
      'import a, { type B } from "a"',
      'export * from "a"',
      'import {} from "a"',
      'import type from "a"',
      'import { type } from "a"',
    ]) {
      expect(typeOnly(source), source).toBe(false);
    }
  });
});
