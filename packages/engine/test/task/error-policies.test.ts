import { key, processor, table, timer, topic, windows, state } from "@reprise/processor";
import { json, RepriseError, s } from "@reprise/schema";
import { describe, expect, test } from "vitest";
import { MemoryReader, TaskRun } from "../support/task-run.ts";

const user = key("user", s.string);
const Value = s.record("Value", { n: s.long });
type Handler = (v: { n: number }, ctx: any) => unknown;
type Policy = "fail" | "skip" | "dead-letter";

function run(on: Handler, policies: { decode?: Policy; handler?: Policy } = {}, more: Record<string, unknown> = {}): TaskRun {
  const values = topic("values", { key: user, value: json(Value) });
  const out = topic("out", { key: user, value: s.long });
  return new TaskRun(
    processor({
      name: "policies",
      version: 4,
      key: user,
      inputs: { values },
      outputs: { out },
      state: { total: state.value(s.long, { initial: 0 }) },
      timers: { t: timer() },
      windows: { w: windows.tumbling({ size: "10ms", late: "handle", aggregate: {} }) },
      onError: policies as never,
    }).handle({
      on: { values: on as never },
      onTimer: { t: () => undefined },
      onWindow: { w: () => undefined },
      onLate: { w: () => undefined },
      ...more,
    } as never),
    new MemoryReader(),
    { batchRecords: 3 },
  );
}

const add = (r: TaskRun, n: number | null, timestampMs = 1, k: string | null = "k"): void =>
  r.reader.append("values", {
    key: k === null ? null : Buffer.from(k),
    value: n === null ? null : Buffer.from(JSON.stringify({ n })),
    timestampMs,
  });

/** Counts, emits, then throws for negative numbers. */
const counting: Handler = (v, ctx) => {
  ctx.state.total.set(ctx.state.total.get() + v.n);
  ctx.out.out.emit(v.n);
  if (v.n < 0) throw new Error("negative");
};

const numbers = (r: TaskRun): number[] => r.outputs.filter((o) => o.output === 0).map((o) => Number((o.value as Buffer).readBigInt64BE(0)));

describe("a handler that throws", () => {
  test("under fail: the task stops in front of the record; what lies before is kept, and nothing of the record", async () => {
    const r = run(counting);
    for (const n of [1, 2, 3, 4, -5, 6]) add(r, n);
    await r.drain();
    expect(numbers(r)).toEqual([1, 2, 3, 4]);
    expect(r.task.position).toEqual({ values: 4 });
    expect(r.task.state.committedSingle(1, Buffer.from("k"))).toBe(10);
    expect(r.task.failure).toMatchObject({
      code: "HANDLER_FAILED",
      details: { processor: "policies", version: 4, topic: "values", partition: 0, offset: 4 },
    });
    const digest = r.task.meta.digest;
    add(r, 7);
    await r.drain();
    expect(r.task.position).toEqual({ values: 4 });
    expect(r.task.meta.digest).toBe(digest);
  });

  test("under skip: nothing of the record stays, and the next one is processed", async () => {
    const r = run(counting, { handler: "skip" });
    for (const n of [1, -5, 6]) add(r, n);
    await r.drain();
    expect(numbers(r)).toEqual([1, 6]);
    expect(r.task.state.committedSingle(1, Buffer.from("k"))).toBe(7);
    expect(r.task.counters.skipped).toBe(1);
  });

  test("under dead-letter: the record goes there whole, with where it came from and why", async () => {
    const r = run(counting, { handler: "dead-letter" });
    for (const n of [1, -5, 6]) add(r, n);
    await r.drain();
    const [dead] = r.outputs.filter((o) => o.output === 1);
    expect(dead).toMatchObject({ causeOffset: 1, causeInput: 0 });
    expect(dead?.key.toString()).toBe("k");
    expect(dead?.value?.toString()).toBe('{"n":-5}');
    expect(Object.fromEntries(dead?.headers?.map((h) => [h.key, h.value]) ?? [])).toEqual({
      "reprise-reason": "negative",
      "reprise-code": "HANDLER_FAILED",
      "reprise-source": "values-0@1",
    });
    expect(numbers(r)).toEqual([1, 6]);
  });

  test("an output that does not fit its schema is the handler's fault", async () => {
    const r = run((_v, ctx) => ctx.out.out.emit("text"));
    add(r, 1);
    await r.drain();
    expect(r.task.failure).toMatchObject({ code: "OUTPUT_INVALID" });
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, 8.64e15 + 2, "soon"])(
    "an output at %s, which is no time, is the handler's fault",
    async (timestamp) => {
      for (const policy of ["fail", "skip"] as const) {
        const r = run((v, ctx) => ctx.out.out.emit(v.n, v.n < 0 ? { timestamp } : { timestamp: -5 }), { handler: policy });
        for (const n of [1, -1, 2]) add(r, n);
        await r.drain();
        expect(numbers(r)).toEqual(policy === "fail" ? [1] : [1, 2]);
        expect(r.outputs[0]?.timestampMs).toBe(-5);
        if (policy === "fail") expect(r.task.failure).toMatchObject({ code: "OUTPUT_INVALID", details: { topic: "values", offset: 1 } });
      }
    },
  );

  test("an output larger than a producer sends is the handler's fault, not the transaction's", async () => {
    const values = topic("values", { key: user, value: json(Value) });
    const out = topic("out", { key: user, value: s.bytes });
    const r = new TaskRun(
      processor({
        name: "large",
        version: 1,
        key: user,
        inputs: { values },
        outputs: { out },
        onError: { handler: "skip" } as never,
      }).handle({
        on: { values: (v, ctx) => ctx.out.out.emit(new Uint8Array(v.n)) },
      }),
      new MemoryReader(),
    );
    for (const n of [900_000, 1_000_000, 5]) add(r, n);
    await r.drain();
    expect(r.outputs.map((o) => o.value?.length)).toEqual([900_000, 5]);
    expect(r.task.counters.skipped).toBe(1);
  });

  test("a dead letter of a record that fills a message still fits into one", async () => {
    const r = run(() => undefined, { decode: "dead-letter" });
    r.reader.append("values", { key: Buffer.from("k"), value: Buffer.alloc(1_000_000, 0x20), timestampMs: 1 });
    await r.drain();
    const [dead] = r.outputs;
    const size =
      (dead?.key.length ?? 0) + (dead?.value?.length ?? 0) + (dead?.headers ?? []).reduce((n, h) => n + h.key.length + h.value.length, 0);
    expect(size).toBeLessThan(1_000_000 - 1000);
    expect(dead?.headers?.find((h) => h.key === "reprise-source")?.value).toBe("values-0@0");
  });
});

describe("a record that does not decode", () => {
  const bad = (r: TaskRun): void => r.reader.append("values", { key: Buffer.from("k"), value: Buffer.from("{"), timestampMs: 1 });

  test("under fail: the task stops and names it", async () => {
    const r = run(counting);
    add(r, 1);
    bad(r);
    await r.drain();
    expect(r.task.failure).toMatchObject({ code: "RECORD_UNDECODABLE", details: { offset: 1 } });
    expect(r.task.position).toEqual({ values: 1 });
  });

  test.each(["skip", "dead-letter"] as const)("under %s: the others are processed", async (decode) => {
    const r = run(counting, { decode });
    add(r, 1);
    bad(r);
    add(r, null);
    add(r, 5, 1, null);
    add(r, 2);
    await r.drain();
    expect(numbers(r)).toEqual([1, 2]);
    expect([r.task.counters.skipped, r.task.counters.deadLetters]).toEqual(decode === "skip" ? [3, 0] : [0, 3]);
  });

  test("its key that does not decode counts as the same", async () => {
    const values = topic("values", { key: key("id", s.long), value: json(Value) });
    const r = new TaskRun(
      processor({ name: "keys", version: 1, key: key("id", s.long), inputs: { values }, onError: { decode: "skip" } as never }).handle({
        on: { values: () => undefined },
      }),
      new MemoryReader(),
    );
    add(r, 1, 1, "not eight bytes");
    add(r, 1, 1, "8 bytes!".slice(0, 7) + "\u0001");
    await r.drain();
    expect(r.task.failure).toBeUndefined();
    expect(r.task.counters.skipped).toBeGreaterThanOrEqual(1);
    expect(r.task.position).toEqual({ values: 2 });
  });
});

describe("rejecting and promising", () => {
  test("reject undoes the record and sends it to the dead letters, whatever the policy is", async () => {
    const r = run((v, ctx) => {
      ctx.state.total.set(99);
      ctx.out.out.emit(1);
      ctx.reject("no");
    });
    add(r, 1);
    await r.drain();
    expect(r.outputs.map((o) => o.output)).toEqual([1]);
    expect(r.task.state.committedSingle(1, Buffer.from("k"))).toBeUndefined();
    expect(r.outputs[0]?.headers?.[1]).toEqual({ key: "reprise-code", value: "RECORD_REJECTED" });
  });

  test.each(["fail", "skip", "dead-letter"] as const)("a handler that returns a promise stops the task, also under %s", async (handler) => {
    const r = run(() => Promise.reject(new Error("later")), { handler });
    add(r, 1);
    await r.drain();
    expect(r.task.failure).toMatchObject({ code: "ASYNC_HANDLER" });
  });

  test("so does one that is called for late values", async () => {
    const r = run((_v, ctx) => ctx.windows.w.add({}, 0), { handler: "skip" }, { onLate: { w: () => Promise.reject(new Error("later")) } });
    add(r, 1, 100);
    await r.drain();
    expect(r.task.failure).toMatchObject({ code: "ASYNC_HANDLER" });
  });

  test("a context that is used after its handler throws", async () => {
    let kept: any;
    const r = run((_v, ctx) => {
      kept = ctx;
    });
    add(r, 1);
    await r.drain();
    const uses: readonly ((c: any) => unknown)[] = [
      (c) => c.key,
      (c) => c.timestamp,
      (c) => c.record,
      (c) => c.uuid(),
      (c) => c.random(),
      (c) => c.state.total.get(),
      (c) => c.state.total.set(1),
      (c) => c.state.total.update((n: number) => n),
      (c) => c.state.total.delete(),
      (c) => c.timers.t.at(1),
      (c) => c.timers.t.after("1s"),
      (c) => c.timers.t.cancel(),
      (c) => c.timers.t.due(),
      (c) => c.windows.w.add({}),
      (c) => c.windows.w.current(),
      (c) => c.out.out.emit(1),
    ];
    for (const use of uses) {
      let thrown: unknown;
      try {
        use(kept);
      } catch (error) {
        thrown = error;
      }
      expect(RepriseError.is(thrown) && thrown.code, use.toString()).toBe("CONTEXT_EXPIRED");
    }
  });
});

describe("a failed task", () => {
  test("says of its inputs what was processed, and not what it had looked at", async () => {
    const left = topic("left", { key: user, value: json(Value) });
    const right = topic("right", { key: user, value: json(Value) });
    const two = (broken: boolean): unknown =>
      processor({
        name: "two",
        version: 1,
        key: user,
        inputs: { left, right },
        outputs: { out: topic("out", { key: user, value: s.string }) },
      }).handle({
        on: {
          left(v, ctx) {
            if (broken && v.n === 2) throw new Error("for now");
            ctx.out.out.emit(`left ${v.n}`);
          },
          right(v, ctx) {
            ctx.out.out.emit(`right ${v.n}`);
          },
        },
      });
    const reader = new MemoryReader();
    const put = (t: string, n: number, timestampMs: number): void =>
      reader.append(t, { key: Buffer.from("k"), value: Buffer.from(JSON.stringify({ n })), timestampMs });
    put("left", 1, 10);
    put("left", 2, 20);
    put("left", 3, 90);
    put("left", 4, 30);
    put("right", 1, 15);
    put("right", 2, 40);
    put("right", 3, 95);
    const texts = (r: TaskRun): string[] => r.outputs.map((o) => (o.value as Buffer).toString());
    const good = await new TaskRun(two(false), reader).drain();
    const failed = await new TaskRun(two(true), reader).drain();
    expect(failed.task.failure).toBeDefined();
    expect(texts(failed)).toEqual(["left 1", "right 1"]);
    expect(failed.task.meta).toMatchObject({
      position: { left: 1, right: 1 },
      maxTimeMs: { left: 10, right: 15 },
      mergedTimeMs: 15,
      streamTimeMs: 15,
    });
    // Opened again, where nothing throws any more: as if it had never failed.
    const again = new TaskRun(two(false), reader, { meta: failed.task.meta });
    await again.drain();
    expect([...texts(failed), ...texts(again)]).toEqual(texts(good));
    expect(again.task.meta.outputs).toBe(good.task.meta.outputs);
    expect(again.task.lateMerged).toBe(0);
  });
});

describe("time", () => {
  test("is not moved by the deletion of a row whose time is in its value", async () => {
    const rows = table("rows", { key: user, value: json(Value), time: (v) => v.n });
    const seen: number[] = [];
    const r = new TaskRun(
      processor({ name: "rows", version: 1, key: user, inputs: { rows } }).handle({
        on: {
          rows(_v, ctx) {
            seen.push(ctx.timestamp);
          },
        },
      }),
      new MemoryReader(),
    );
    const put = (value: string | null): void =>
      r.reader.append("rows", { key: Buffer.from("k"), value: value === null ? null : Buffer.from(value), timestampMs: 1_700_000_000_000 });
    put('{"n":1000}');
    put(null);
    put('{"n":1001}');
    await r.drain();
    expect(seen).toEqual([1000, 1000, 1001]);
    expect(r.task.streamTimeMs).toBe(1001);
  });
});

test("a value that is changed in place and set again is stored as it is", async () => {
  const Totals = s.record("Totals", { n: s.long });
  const values = topic("values", { key: user, value: json(Value) });
  const make = (): unknown =>
    processor({
      name: "in-place",
      version: 1,
      key: user,
      inputs: { values },
      state: { totals: state.value(Totals), seen: state.map(s.string, Totals) },
    }).handle({
      on: {
        values(v, ctx) {
          const totals = ctx.state.totals.get() as { n: number } | undefined;
          if (totals === undefined) ctx.state.totals.set({ n: v.n });
          else {
            totals.n += v.n;
            ctx.state.totals.set(totals);
          }
          const seen = ctx.state.seen.get("x") as { n: number } | undefined;
          if (seen !== undefined) seen.n++;
          ctx.state.seen.set("x", seen ?? { n: 1 });
        },
      },
    });
  const reader = new MemoryReader();
  const r = new TaskRun(make(), reader, { batchRecords: 1 });
  for (const n of [1, 2, 3]) add(r, n);
  await r.drain();
  await r.restart();
  expect(r.task.state.committedSingle(1, Buffer.from("k"))).toEqual({ n: 6 });
  expect(r.task.state.committedEntry(0, Buffer.from("k"), Buffer.from("x"))).toEqual({ n: 3 });
  // What commits said of it, too: one commit per record or one for all come to the same digest.
  const atOnce = await new TaskRun(make(), reader, { batchRecords: 100 }).drain();
  expect(r.task.meta.digest).toBe(atOnce.task.meta.digest);
});
