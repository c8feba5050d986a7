import { createHash } from "node:crypto";
import { copyFile, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { definitionOf } from "@reprise/processor";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { buildArtifact, completeParams } from "../src/artifact/build-artifact.ts";

// Users have builds; these tests run on sources.
const options = { conditions: ["source"] };
const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
let artifacts: string;

beforeEach(async () => {
  artifacts = await mkdtemp(join(tmpdir(), "reprise-artifacts-"));
});

afterEach(() => rm(artifacts, { recursive: true, force: true }));

describe("an artifact", () => {
  it("is one file under name, version and hash, which runs from anywhere, with its manifest beside it", async () => {
    const artifact = await buildArtifact(fixture("counter.ts"), artifacts, options);
    expect(artifact).toMatchObject({
      processor: "counter",
      version: 1,
      isNew: true,
      folder: join(artifacts, "counter@1", artifact.sha256),
    });
    expect((await readdir(artifact.folder)).sort()).toEqual(["manifest.json", "processor.mjs"]);
    const bytes = await readFile(join(artifact.folder, "processor.mjs"));
    expect(createHash("sha256").update(bytes).digest("hex")).toBe(artifact.sha256);
    // No node_modules anywhere above it: everything it needs is in it.
    const module = (await import(/* @vite-ignore */ pathToFileURL(join(artifact.folder, "processor.mjs")).href)) as { default: unknown };
    const definition = definitionOf(module.default);
    expect(definition.name).toBe("counter");
    const { manifest } = JSON.parse(await readFile(join(artifact.folder, "manifest.json"), "utf8")) as { manifest: unknown };
    expect(manifest).toEqual(definition.manifest);
    expect(await readdir(artifacts)).toEqual(["counter@1"]);
  });

  it("has the same bytes for the same source in another folder, and names no folder", async () => {
    const one = await buildArtifact(fixture("counter.ts"), artifacts, options);
    const other = await buildArtifact(fixture("elsewhere/counter.ts"), artifacts, options);
    expect(other).toMatchObject({ sha256: one.sha256, isNew: false });
    const text = await readFile(join(one.folder, "processor.mjs"), "utf8");
    expect(text).not.toContain("fixtures");
    expect(text).not.toContain(artifacts);
  });

  it("of the same version with other code is refused, and leaves nothing", async () => {
    await buildArtifact(fixture("counter.ts"), artifacts, options);
    const changed = buildArtifact(fixture("changed.ts"), artifacts, options);
    await expect(changed).rejects.toMatchObject({ code: "VERSION_FROZEN", details: { processor: "counter", version: 1 } });
    expect(await readdir(join(artifacts, "counter@1"))).toHaveLength(1);
    expect(await readdir(artifacts)).toEqual(["counter@1"]);
  });

  it("is not built from what is no processor, and the file is named", async () => {
    await copyFile(fixture("syntax.txt"), join(artifacts, "syntax.ts"));
    const cases = [
      [fixture("nowhere.ts"), "INVALID_ARGUMENT", "nowhere.ts"],
      [join(artifacts, "syntax.ts"), "INVALID_DECLARATION", "syntax.ts:2:"],
      [fixture("no-default.ts"), "INVALID_DECLARATION", "no default export"],
      [fixture("no-processor.ts"), "INVALID_DECLARATION", "processor({...})"],
      [fixture("throws.ts"), "INVALID_DECLARATION", "at load"],
      [fixture("not-supported.ts"), "NOT_SUPPORTED", "crc32"],
    ] as const;
    for (const [file, code, part] of cases) {
      const built = buildArtifact(file, artifacts, options);
      await expect(built, file).rejects.toMatchObject({ code });
      await expect(built, file).rejects.toThrow(part);
    }
  });

  it("completes parameters by its own schema, and refuses those that do not fit by name", async () => {
    const { definition } = await buildArtifact(fixture("counter.ts"), artifacts, options);
    expect(completeParams(definition, { label: "x" })).toEqual({ step: 1, label: "x" });
    expect(() => completeParams(definition, {})).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringContaining("label") as unknown }),
    );
    expect(() => completeParams(definition, { label: "x", step: "y" })).toThrow("step");
  });
});
