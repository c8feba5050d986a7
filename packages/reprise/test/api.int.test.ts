import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const run = promisify(execFile);
const api = fileURLToPath(new URL("api/", import.meta.url));
const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");

it("compiles the processors written on the surface and rejects every mistake", async () => {
  // Each mistake stands below a @ts-expect-error: one that compiles makes the directive unused, which is an error.
  const result = await run(process.execPath, [tsc, "-p", api]).catch((error: unknown) => error as { readonly stdout: string });
  expect(result.stdout).toBe("");
});

it("holds 31 mistakes", async () => {
  const mistakes = (await readFile(join(api, "errors.test-d.ts"), "utf8")).match(/^\s*\/\/ @ts-expect-error/gm);
  expect(mistakes).toHaveLength(31);
});
