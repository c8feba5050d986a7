import { expect, it } from "vitest";
import { deploymentFolder, taskFolder, temporaryName, temporaryPid } from "../src/internal/checkpoint-paths.ts";

it("A deployment's name can't lead out of the folder, and different names have different folders", () => {
  const names = ["..", ".", "a/../b", "a/b", "/etc", "a%2fb", "A", "a", "ä", "a b", ".a", "a.b", "a\\b", "a\0b"];
  const folders = names.map((name) => deploymentFolder("/root", name));
  for (const folder of folders) expect(folder).toMatch(/^\/root\/[a-z0-9_%-][a-z0-9._%-]*$/);
  expect(new Set(folders).size).toBe(names.length);
  expect(deploymentFolder("/root", "fraud-2.b_1")).toBe("/root/fraud-2.b_1");
});

it("Names and numbers that are none are refused by name", () => {
  const invalid = (naming: string): unknown =>
    expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringContaining(naming) as string });
  expect(() => deploymentFolder("/root", "")).toThrow(invalid("empty"));
  expect(() => deploymentFolder("/root", "x".repeat(300))).toThrow(invalid("too long"));
  expect(() => taskFolder("/root", { deployment: "d", partition: -1 })).toThrow(invalid("partition"));
});

it("A temporary file tells its process", () => {
  expect(temporaryPid(temporaryName(7, 3))).toBe(process.pid);
  expect(temporaryPid("7.json")).toBeUndefined();
});
