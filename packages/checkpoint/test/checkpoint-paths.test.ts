import { expect, it } from "vitest";
import { deploymentFolder, deploymentOf, taskFolder } from "../src/internal/checkpoint-paths.ts";

it("A deployment's name can't lead out of the folder, and different names have different folders", () => {
  const names = ["..", ".", "a/../b", "a/b", "/etc", "a%2fb", "A", "a", "ä", "a b", ".a", "a.b", "a\\b", "a\0b"];
  const folders = names.map((name) => deploymentFolder(name));
  for (const folder of folders) expect(folder).toMatch(/^[a-z0-9_%-][a-z0-9._%-]*$/);
  expect(new Set(folders).size).toBe(names.length);
  expect(deploymentFolder("fraud-2.b_1")).toBe("fraud-2.b_1");
  expect(folders.map(deploymentOf)).toEqual(names);
  for (const folder of ["A", "%zz", "%61", ""]) expect(deploymentOf(folder)).toBeUndefined();
});

it("Names and numbers that are none are refused by name", () => {
  const invalid = (naming: string): unknown =>
    expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringContaining(naming) as string });
  expect(() => deploymentFolder("")).toThrow(invalid("empty"));
  expect(() => deploymentFolder("x".repeat(300))).toThrow(invalid("too long"));
  expect(() => taskFolder({ deployment: "d", partition: -1 })).toThrow(invalid("partition"));
});
