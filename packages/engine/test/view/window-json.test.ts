import { distinct, fold, key, last, processor, state, topic, windows } from "@reprise/processor";
import { type Schema, s } from "@reprise/schema";
import { expect, test } from "vitest";
import { readView, viewOf } from "../../src/view/task-views.ts";
import { MemoryReader, TaskRun } from "../support/task-run.ts";

const user = key("user", s.string);
const values = topic("values", { key: user, value: s.string });
const Coin = s.record("Coin", { wei: s.bigint, hash: s.bytes });

test.each<[string, Schema<any>, unknown, string]>([
  ["a bigint", s.bigint, 1234567890123456789n, '"1234567890123456789"'],
  ["bytes", s.bytes, Buffer.from("ab"), '"YWI="'],
  ["a record of both", Coin, { wei: -5n, hash: Uint8Array.of(255) }, '{"wei":"-5","hash":"/w=="}'],
  ["a string", s.string, "\u2028é", '"\u2028é"'],
])("%s is the same JSON in views of windows as in those of states", async (_name, schema, value, text) => {
  const viewed = processor({
    name: "viewed",
    version: 1,
    key: user,
    inputs: { values },
    state: { one: state.value(schema, { view: true }) },
    windows: {
      sums: windows.tumbling({
        size: "1s",
        emit: "none",
        view: true,
        aggregate: { newest: last(schema), all: distinct(schema), own: fold(schema, { initial: value, add: () => value }) },
      }),
    },
  } as never).handle({
    on: {
      values(_value: string, ctx: any) {
        ctx.state.one.set(value);
        ctx.windows.sums.add({ newest: value, all: value, own: 0 });
      },
    },
  } as never);
  const reader = new MemoryReader();
  const run = new TaskRun(viewed, reader);
  reader.append("values", { key: Buffer.from("a"), value: Buffer.from("x"), timestampMs: 5 });
  await run.drain();
  const read = (view: string, query: object = {}): string | undefined =>
    readView(run.task, viewOf(run.processor, view), Buffer.from("a"), query)?.json;
  expect(read("one")).toBe(text);
  const window = JSON.parse(read("sums", { current: "" }) as string) as { newest: unknown; own: unknown };
  expect(window).toMatchObject({ count: 1, newest: JSON.parse(text) as unknown, own: JSON.parse(text) as unknown });
  expect(JSON.parse(read("sums") as string)).toEqual([{ start: 0, end: 1000, value: window }]);
});
