import { expect, it } from "vitest";
import { memoryEngine } from "@reprise/state";
import { bytes, rowTexts } from "./bytes.ts";
import { storeConformance } from "./store-conformance.ts";

storeConformance("memory", async () => ({ engine: memoryEngine(), folder: "/nowhere/task-0", dispose: async () => undefined }));

it("Two memory engines share no rows, two folders of one share none either", async () => {
  const [one, other] = [memoryEngine(), memoryEngine()];
  const store = await one.open("/nowhere/a");
  await store.write([{ key: bytes("a"), value: bytes("1") }]);
  expect(rowTexts((await other.open("/nowhere/a")).range({}))).toEqual([]);
  expect(rowTexts((await one.open("/nowhere/b")).range({}))).toEqual([]);
});
