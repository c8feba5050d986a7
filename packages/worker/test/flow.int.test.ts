import { setTimeout as sleep } from "node:timers/promises";
import { partitionForKey } from "@reprise/engine";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Lab } from "./support/lab.ts";
import { asRecords, asText, expectedTotals, payments } from "./support/payments.ts";
import { sendAlways } from "./support/send-always.ts";
import { until } from "./support/until.ts";

let lab: Lab;

beforeAll(async () => {
  lab = await Lab.open();
});

afterEach(() => lab.settle());
afterAll(() => lab.close());

test("a partition with slow handlers does not hold the others, and the worker stays in its group and answers", async () => {
  const partitions = 2;
  const deployed = await lab.deploy({ source: "slow", partitions });
  const slow = partitionForKey(Buffer.from("slow"), partitions);
  const quick = 1 - slow;
  // 16 s of work in one partition before the worker is there, and a lot of quick records in the other.
  const some = payments(800).map((payment) => ({ ...payment, account: "slow" }));
  const many = payments(20_000).filter(({ account }) => partitionForKey(Buffer.from(account), partitions) === quick);
  await deployed.send(asRecords([...some, ...many]));
  const worker = deployed.startChild();
  const url = await worker.url();
  let longestAnswerMs = 0;
  await until("the quick partition", async () => {
    const asked = performance.now();
    await fetch(`${url}/healthz`);
    longestAnswerMs = Math.max(longestAnswerMs, performance.now() - asked);
    return ((await deployed.committed())[quick] as number) >= many.length;
  });
  // With as many records per step as there are, the quick partition would have had its second turn after all 800.
  expect((await deployed.committed())[slow]).toBeLessThan(600);
  await deployed.committedAll();
  expect(asText(await deployed.outputs())).toEqual(expectedTotals([...some, ...many], partitions));
  const messages = worker.log().map(({ msg }) => msg ?? "");
  expect(messages.filter((msg) => msg.startsWith("session"))).toEqual([]);
  console.log(`the longest answer of /healthz took ${longestAnswerMs.toFixed(0)} ms`);
});

test("a broker that hangs for longer than a session holds everything up, and nothing else", async () => {
  const deployed = await lab.deploy({ source: "totals" });
  const worker = deployed.startChild();
  const load = sendAlways(deployed);
  await until("commits", async () => (await deployed.committedTotal()) > 500);
  await lab.broker.kill("SIGSTOP");
  await sleep(13_000);
  await lab.broker.kill("SIGCONT");
  const before = await until("an answer", async () => await deployed.committedTotal());
  await until("commits again", async () => (await deployed.committedTotal()) > before + 500);
  const sent = await load.stop();
  await deployed.committedAll();
  expect(asText(await deployed.outputs())).toEqual(expectedTotals(sent));
  expect(worker.child.process.exitCode).toBeNull();
});
