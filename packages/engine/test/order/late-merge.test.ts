import { key, processor, topic } from "@reprise/processor";
import { json, s } from "@reprise/schema";
import { expect, test } from "vitest";
import { MemoryReader, TaskRun } from "../support/task-run.ts";

const user = key("user", s.string);
const input = (name: string) => topic(name, { key: user, value: json(s.long) });
const both = processor({ name: "both", version: 1, key: user, inputs: { a: input("a"), b: input("b") } }).handle({
  on: { a() {}, b() {} },
});

test("a commit says how many of its records came after their turn, and the next one nothing of it", async () => {
  const reader = new MemoryReader();
  const put = (topicName: string, timestampMs: number): void =>
    reader.append(topicName, { key: Buffer.from("u"), value: Buffer.from("1"), timestampMs });
  const run = new TaskRun(both, reader);
  const take = async (): Promise<void> => {
    while ((await run.task.step()) > 0);
    run.commit();
  };
  put("a", 10);
  put("b", 20);
  await take();
  expect(run.task.meta.lateMerged).toBeUndefined();
  put("a", 15);
  put("a", 16);
  put("b", 30);
  await take();
  expect(run.task.meta.lateMerged).toBe(2);
  put("a", 40);
  await take();
  expect(run.task.meta.lateMerged).toBeUndefined();
  put("b", 5);
  await take();
  // The largest timestamp so far in its partition is what a record is merged by.
  expect(run.task.meta.lateMerged).toBe(1);
  await run.restart();
  put("b", 50);
  await take();
  expect(run.task.meta.lateMerged).toBeUndefined();
});
