import { setTimeout as sleep } from "node:timers/promises";
import { type EmbeddedCluster, startEmbeddedCluster } from "@reprise/kafka";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Lab } from "./support/lab.ts";
import { asText, expectedTotals } from "./support/payments.ts";
import { sendAlways } from "./support/send-always.ts";
import { until } from "./support/until.ts";

let kafka: EmbeddedCluster;
let lab: Lab;

beforeAll(async () => {
  kafka = await startEmbeddedCluster(3);
  lab = await Lab.over(kafka.brokers);
});

afterAll(() => lab?.close());

test("brokers die one after the other, and with each the leaders of partitions, groups and transactions: each record counted once", async () => {
  const deployed = await lab.deploy({ source: "totals", workers: 2, partitions: 6 });
  const workers = [0, 1].map((slot) => deployed.startChild({ slot }));
  const load = sendAlways(deployed);
  for (const broker of lab.brokers) {
    const before = await deployed.committedTotal();
    await until("commits", async () => (await deployed.committedTotal()) > before);
    await broker.kill("SIGKILL");
    const dead = await deployed.committedTotal();
    // Others lead by now, while this one is still away.
    await until("commits without it", async () => (await deployed.committedTotal()) > dead + 500, 90_000);
    await broker.restart();
    // In sync again, before the next one dies: two of three have to be there.
    await until("all replicas in sync", async () => await kafka.allInSync(), 90_000);
    await sleep(500);
  }
  const sent = await load.stop();
  await deployed.committedAll(120_000);
  expect(asText(await deployed.outputs())).toEqual(expectedTotals(sent, 6));
  for (const { child } of workers) expect(child.process.exitCode).toBeNull();
});
