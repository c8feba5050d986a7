import { randomUUID } from "node:crypto";
import { createAdmin } from "@reprise/kafka";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { main } from "../src/main.ts";
import { TestTerminal } from "./support/test-terminal.ts";

const bootstrap = process.env["REPRISE_BOOTSTRAP"] as string;
const topic = `orders-${randomUUID().slice(0, 8)}`;
const admin = createAdmin({ bootstrap });

async function run(...args: string[]): Promise<{ status: number; terminal: TestTerminal }> {
  const terminal = new TestTerminal();
  return { status: await main([...args, "--bootstrap", bootstrap], terminal), terminal };
}

beforeAll(async () => {
  await admin.createTopics([{ name: topic, partitions: 2 }]);
  for (const [key, value] of [
    ["alice", '{"cents":1}'],
    ["bob", '{"cents":2}'],
    ["carol", '{"cents":3}'],
  ] as const) {
    expect((await run("send", topic, key, value)).status).toBe(0);
  }
});

afterAll(async () => {
  await admin.deleteTopics([topic]);
  await admin.close();
});

describe("reprise read", () => {
  it("prints every record of all partitions, as lines that send takes", async () => {
    const { status, terminal } = await run("read", topic);
    expect(status).toBe(0);
    expect(terminal.stdout.trimEnd().split("\n").sort()).toEqual(['alice\t{"cents":1}', 'bob\t{"cents":2}', 'carol\t{"cents":3}']);
  });

  it("stops at a limit", async () => {
    const { terminal } = await run("read", topic, "--limit", "2");
    expect(terminal.stdout.trimEnd().split("\n")).toHaveLength(2);
  });

  it("says where each record is as JSON, and how many there were last", async () => {
    const { terminal } = await run("read", topic, "--json");
    const lines = terminal.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { readonly [field: string]: unknown });
    expect(lines.at(-1)).toEqual({ topic, records: 3 });
    expect(lines.find(({ key }) => key === "bob")).toMatchObject({
      partition: expect.any(Number),
      offset: expect.any(Number),
      value: '{"cents":2}',
      headers: {},
    });
  });

  it("says when there is nothing, and when there is no topic", async () => {
    const missing = await run("read", `${topic}-missing`);
    expect(missing.status).toBe(1);
    expect(missing.terminal.stderr).toContain("TOPIC_MISSING");
    const empty = `${topic}-empty`;
    await admin.createTopics([{ name: empty, partitions: 1 }]);
    const { terminal } = await run("read", empty);
    await admin.deleteTopics([empty]);
    expect(terminal.stdout).toBe(`${empty} has no records\n`);
  });
});
