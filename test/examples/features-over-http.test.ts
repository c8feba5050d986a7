import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type RunningDev, startDev } from "@reprise/cli";
import type userFeatures from "@reprise/example-user-features";
import { createRecordProducer } from "@reprise/kafka";
import { connect, RepriseError } from "reprise/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../demo/until.ts";

const file = fileURLToPath(new URL("../../examples/user-features/src/processor.ts", import.meta.url));
let folder: string;
let dev: RunningDev;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "reprise-features-"));
  dev = await startDev({ folder: join(folder, "dev"), processors: [file], brokerHeapMb: 384 });
});

afterAll(async () => {
  await dev?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** The worker may still be starting. */
function notServing(error: unknown): undefined {
  if (!RepriseError.is(error) || error.code !== "NOT_SERVING") throw error;
}

test("the features of the last five minutes are read over HTTP, and are nothing for who did nothing", async () => {
  const producer = createRecordProducer({ bootstrap: dev.bootstrap });
  const now = Date.now();
  const send = (
    user: string,
    event: { readonly type: string; readonly agoMs: number; readonly product: string; readonly amount?: number },
  ) => {
    const { agoMs, ...own } = event;
    return producer.send("activity", null, Buffer.from(user), Buffer.from(JSON.stringify({ ...own, at: now - agoMs })), undefined, now);
  };
  await Promise.all([
    send("ann", { type: "View", agoMs: 40_000, product: "p-1" }),
    send("ann", { type: "View", agoMs: 30_000, product: "p-2" }),
    send("ann", { type: "Click", agoMs: 20_000, product: "p-2" }),
    send("ann", { type: "Purchase", agoMs: 10_000, product: "p-2", amount: 19.5 }),
    send("ann", { type: "Purchase", agoMs: 9_000, product: "p-3", amount: 0.5 }),
    send("bob", { type: "Click", agoMs: 1_000, product: "p-1" }),
  ]);
  await producer.close();

  const { features } = connect<typeof userFeatures>("user-features", { url: dev.controllerUrl });
  const read = async (user: string, count: number) =>
    until(`the ${count} events of ${user}`, 60_000, async () => {
      const found = await features.current(user).catch(notServing);
      return found !== undefined && found.value.count >= count ? found : undefined;
    });
  const ann = await read("ann", 5);
  expect(ann).toMatchObject({ version: 1, value: { count: 5, clicks: 1, views: 2, amount: 20, products: 3 } });
  expect((await read("bob", 1)).value).toEqual({ count: 1, clicks: 1, views: 0, amount: 0, products: 1 });
  expect(await features.current("nobody")).toBeUndefined();

  // As any other program would.
  const answer = await fetch(`${dev.controllerUrl}/processors/user-features/views/features/ann?current=1`);
  expect(await answer.json()).toMatchObject({ value: { clicks: 1, views: 2, amount: 20, products: 3 } });
});
