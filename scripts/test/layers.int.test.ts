import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const script = join(import.meta.dirname, "../check-layers.mjs");
let root: string;

const write = (file: string, content: string): void => {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), content);
};

function writePackage(name: string, dependencies: readonly string[], index: string): void {
  const manifest = {
    name: name === "reprise" ? name : `@reprise/${name}`,
    exports: name === "reprise" ? { ".": "./src/index.ts", "./testing": "./src/testing.ts" } : { ".": "./src/index.ts" },
    dependencies: Object.fromEntries(dependencies.map((dependency) => [dependency, "1"])),
  };
  write(`packages/${name}/package.json`, JSON.stringify(manifest));
  write(`packages/${name}/src/index.ts`, index);
}

/** A tree of the same shape as this repository's, without a fault. */
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "reprise-layers-"));
  write("package.json", JSON.stringify({ devDependencies: { vitest: "1" } }));
  writePackage("schema", ["avsc"], 'import avro from "avsc";\nexport const a = avro;\n');
  writePackage("processor", ["@reprise/schema"], 'export type { A } from "@reprise/schema";\n');
  writePackage("engine", ["@reprise/schema"], 'import { a } from "@reprise/schema";\nexport const b = a;\n');
  writePackage(
    "state",
    ["@reprise/engine", "@nxtedition/rocksdb"],
    'import { b } from "@reprise/engine";\nimport "@nxtedition/rocksdb";\nb();\n',
  );
  writePackage("client", ["@reprise/processor"], 'import type { A } from "@reprise/processor";\nexport type B = A;\n');
  writePackage("reprise", ["@reprise/processor"], 'export * from "@reprise/processor";\n');
  write(
    "packages/engine/test/engine.test.ts",
    'import { it } from "vitest";\nimport { b } from "../src/index.ts";\nimport { c } from "../../../test/support/c.ts";\nit("", () => b(c));\n',
  );
  write("packages/processors/fraud/v1/package.json", JSON.stringify({ name: "@reprise/fraud-v1", dependencies: { reprise: "1" } }));
  write("packages/processors/fraud/v1/src/processor.ts", 'import { s } from "reprise";\nimport "./rules.ts";\ns();\n');
  write("packages/processors/fraud/v1/src/rules.ts", "export {};\n");
  write("examples/visits/package.json", JSON.stringify({ name: "@reprise/example-visits", dependencies: { reprise: "1" } }));
  write("examples/visits/src/processor.ts", 'import { s } from "reprise";\ns();\n');
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

const check = (): { status: number | null; output: string } => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, root], { encoding: "utf8" });
  return { status, output: stdout + stderr };
};

describe("the layer check", () => {
  it("passes a tree without a fault", () => {
    expect(check()).toEqual({ status: 0, output: expect.stringContaining("0 violations") as string });
  });

  const faults: readonly (readonly [what: string, file: string, content: string, rule: string])[] = [
    ["a package that imports a higher rank", "packages/engine/src/up.ts", 'import { x } from "@reprise/state";', "layers"],
    ["a package that imports a type of a higher rank", "packages/schema/src/up.ts", 'import type { x } from "@reprise/engine";', "layers"],
    ["a dynamic import of a higher rank", "packages/engine/src/up.ts", 'const x = await import("@reprise/state");', "layers"],
    ["a re-export of a higher rank", "packages/engine/src/up.ts", 'export { x } from "@reprise/state";', "layers"],
    ["a test that imports a higher rank", "packages/engine/test/up.test.ts", 'import "@reprise/state";', "layers"],
    ["a client that loads a processor's code", "packages/client/src/up.ts", 'import { x } from "@reprise/processor";', "layers"],
    [
      "a client that loads some code beside types",
      "packages/client/src/up.ts",
      'import { type A, x } from "@reprise/processor";',
      "layers",
    ],
    ["a package that imports the facade", "packages/engine/src/up.ts", 'import { s } from "reprise";', "layers"],
    ["a second package that imports RocksDB", "packages/engine/src/db.ts", 'import "@nxtedition/rocksdb";', "engines"],
    [
      "a second package that requires RocksDB",
      "packages/engine/src/db.ts",
      'createRequire(import.meta.url)("@nxtedition/rocksdb");',
      "engines",
    ],
    ["a Kafka client outside of kafka", "packages/state/src/k.ts", 'import { Producer } from "@confluentinc/kafka-javascript";', "engines"],
    ["a path into another package", "packages/state/src/up.ts", 'import { b } from "../../engine/src/index.ts";', "cross-package-relative"],
    ["a path out of the source into the tests", "packages/state/src/up.ts", 'import { b } from "../test/x.ts";', "cross-package-relative"],
    [
      "source that uses the tests' support",
      "packages/state/src/up.ts",
      'import { b } from "../../../test/support/c.ts";',
      "cross-package-relative",
    ],
    ["another package's internals", "packages/state/src/up.ts", 'import { b } from "@reprise/engine/src/internal/x.ts";', "internals"],
    ["an import that package.json does not declare", "packages/state/src/up.ts", 'import chalk from "chalk";', "undeclared"],
    ["source that imports a test tool", "packages/state/src/up.ts", 'import { it } from "vitest";', "undeclared"],
    [
      "a processor that reads the clock of Node",
      "packages/processors/fraud/v1/src/up.ts",
      'import { hrtime } from "node:process";',
      "processor-imports",
    ],
    ["an example that reads the clock of Node", "examples/visits/src/up.ts", 'import { hrtime } from "node:process";', "processor-imports"],
    [
      "a processor that imports an inner package",
      "packages/processors/fraud/v1/src/up.ts",
      'import "@reprise/schema";',
      "processor-imports",
    ],
    [
      "a processor that imports another version",
      "packages/processors/fraud/v1/src/up.ts",
      'import "../../v2/src/x.ts";',
      "cross-package-relative",
    ],
  ];
  for (const [what, file, content, rule] of faults) {
    it(`finds ${what}, and names file and rule`, () => {
      write(file, `// first line\n${content}\n`);
      const { status, output } = check();
      expect(output).toContain(`${file}:2 [${rule}]`);
      expect(status).toBe(1);
    });
  }

  it("lets a client's tests declare a processor, and whole-system tests bring a client of their own", () => {
    write("packages/client/test/client.test.ts", 'import { x } from "@reprise/processor";\n');
    write("test/package.json", JSON.stringify({ name: "@reprise/system-tests", dependencies: { "@platformatic/kafka": "1" } }));
    write("test/load.ts", 'import { Producer } from "@platformatic/kafka";\n');
    expect(check().output).toContain(" 0 violations");
  });

  it("finds a dependency that nothing imports, and one that the build's order does not know", () => {
    writePackage("engine", ["@reprise/schema", "@reprise/processor"], 'import "@reprise/schema";\n');
    write("packages/engine/tsconfig.json", JSON.stringify({ references: [{ path: "../processor" }] }));
    const { status, output } = check();
    expect(output).toContain("packages/engine/package.json:1 [unused] depends on @reprise/processor");
    expect(output).toContain("packages/engine/tsconfig.json:1 [references] depends on @reprise/schema");
    expect(status).toBe(1);
  });

  it("finds a library that two packages import without being listed", () => {
    for (const name of ["engine", "state"]) {
      writePackage(name, ["left-pad"], 'import "left-pad";\n');
    }
    expect(check().output).toContain("packages/state/src/index.ts:1 [engines] state imports left-pad, as engine does");
  });

  it("does not pass a folder without packages", () => {
    for (const folder of ["packages", "examples"]) rmSync(join(root, folder), { recursive: true });
    expect(check().status).toBe(2);
  });
});
