import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildArtifact } from "@reprise/cli";
import { RepriseError } from "@reprise/schema";
import { key, processor, s, topic } from "reprise";
import { testProcessor } from "reprise/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { unsupported } from "./unsupported.ts";

let folder: string;
let files = 0;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "reprise-declarations-"));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A processor's file as its author has it. */
function fileOf(text: string, extension = "ts"): string {
  const file = join(folder, `processor-${files++}.${extension}`);
  writeFileSync(file, text);
  return file;
}

const build = (file: string) => buildArtifact(file, join(folder, "artifacts"), { conditions: ["source"] });

async function refusal(doing: () => unknown): Promise<{ code: string; message: string }> {
  try {
    await doing();
  } catch (error) {
    if (RepriseError.is(error)) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error("it was not refused");
}

const counter = (name: string, handler = "payments() {}", options = ""): string => `
  import { json, key, processor, topic, s } from "reprise";
  const card = key("card", s.string);
  const payments = topic("payments", { key: card, value: json(s.record("Payment", { cents: s.int })) });
  export default processor({ name: ${JSON.stringify(name)}, version: 1, key: card, inputs: { payments }${options} }).handle({ on: { ${handler} } });
`;

describe("a processor's name", () => {
  test.each(["Fraud", "fraud check", "-fraud", ".fraud", "_fraud", "fraud/2", "fräud", "", "f".repeat(64)])(
    "%j is refused, and said",
    async (name) => {
      const { code, message } = await refusal(() => build(fileOf(counter(name))));
      expect(code).toBe("INVALID_NAME");
      expect(message).toContain(`${JSON.stringify(name)} is not allowed`);
    },
  );

  test.each(["f", "0", "fraud-check_2.eu", "f".repeat(63)])("%j is taken", async (name) => {
    expect((await build(fileOf(counter(name)))).processor).toBe(name);
  });
});

describe("an async handler from plain JavaScript", () => {
  test.each([
    ["on.payments", "async payments() {}"],
    ["on.payments", "payments: async () => undefined"],
    ["on.payments", "async *payments() {}"],
  ])("is refused by name where it is declared: %s as `%s`", async (where, handler) => {
    const { code, message } = await refusal(() => build(fileOf(counter("asynchronous", handler), "mjs")));
    expect(code).toBe("ASYNC_HANDLER");
    expect(message).toContain(`processor asynchronous: ${where} is async`);
  });

  test("leaves no artifact behind", () => {
    expect(readdirSync(join(folder, "artifacts")).filter((name) => name.startsWith("asynchronous") || name.startsWith("."))).toEqual([]);
  });
});

describe("what is declared and can't be run by this release", () => {
  const fixture = JSON.stringify(join(import.meta.dirname, "unsupported.ts"));

  test.each(unsupported.map(({ named, make }, index) => ({ named, make, index })))(
    "$named is refused by name, by build and by testProcessor",
    async ({ named, make, index }) => {
      const file = fileOf(`import { unsupported } from ${fixture}; export default unsupported[${index}].make();`);
      const built = await refusal(() => build(file));
      expect(built).toMatchObject({ code: "NOT_SUPPORTED", message: expect.stringContaining(named) as string });
      const tested = await refusal(() => testProcessor(make() as never));
      expect(tested).toMatchObject({ code: "NOT_SUPPORTED", message: expect.stringContaining(named) as string });
    },
  );

  test("testProcessor begins with the state of another driver, and of nothing else", async () => {
    const { make } = unsupported[0] as (typeof unsupported)[number];
    expect(await refusal(() => testProcessor(make() as never, { startFrom: {} as never }))).toMatchObject({ code: "NOT_SUPPORTED" });
    const word = key("word", s.string);
    const said = topic("said", { key: word, value: s.string });
    const runs = processor({ name: "runs", version: 1, key: word, inputs: { said } }).handle({ on: { said() {} } });
    expect(await refusal(() => testProcessor(runs, { startFrom: {} as never }))).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("startFrom") as string,
    });
  });
});
