import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { failpoints } from "@reprise/engine";
import { expect, test } from "vitest";
import { repositoryFolder } from "../demo/demo-names.ts";

const root = repositoryFolder();

test("every failpoint that there is to die at stands at exactly one place in the packages", () => {
  const packages = join(root, "packages");
  const called = readdirSync(packages)
    .filter((name) => readdirSync(join(packages, name)).includes("src"))
    .flatMap((name) =>
      readdirSync(join(packages, name, "src"), { recursive: true, encoding: "utf8" }).map((file) => join(packages, name, "src", file)),
    )
    .filter((file) => file.endsWith(".ts"))
    .flatMap((file) => [...readFileSync(file, "utf8").matchAll(/\bfailpoint\("([^"]+)"\)/g)])
    .map(([, name]) => name);
  expect(called.toSorted()).toEqual(Object.values(failpoints).flat().toSorted());
});

test.each([
  ["flush-written", [], "SIGKILL"],
  ["flush-written*3", ["1", "2"], "SIGKILL"],
  ["flush", ["1", "2", "3", "4", "5"], null],
  [undefined, ["1", "2", "3", "4", "5"], null],
] as const)("a process that is told %s dies there, and says so", (told, passes, signal) => {
  const child = spawnSync(process.execPath, ["scripts/run-source.mjs", "test/torture/children/pass-five-times.ts"], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, ...(told === undefined ? {} : { REPRISE_FAILPOINT: told }) },
  });
  expect(child.stdout.split("\n").filter((line) => line !== "")).toEqual(passes);
  expect(child.signal).toBe(signal);
  expect(child.stderr).toBe(signal === null ? "" : "failpoint flush-written\n");
});
