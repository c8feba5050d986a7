import { fold, key, processor, topic, windows } from "@reprise/processor";
import { s } from "@reprise/schema";
import { expect, test } from "vitest";
import { Random } from "../support/random.ts";
import { MemoryReader, TaskRun } from "../support/task-run.ts";

const user = key("user", s.string);
const Value = s.record("Value", { at: s.long, ops: s.string });

/** Items by `id@time=n`, those to be removed by `-id`, times to read at by `?time`, separated by blanks; plain contributions without `items`. */
function start(options: object, items = true, tuning: object = {}) {
  const values = topic("values", { key: user, value: Value, time: (v) => v.at });
  const rows = topic("rows", { key: user, value: s.string });
  const made = processor({
    ...{ name: "sessions", version: 1, key: user, inputs: { values }, outputs: { rows } },
    windows: {
      w: windows.session({
        ...{ gap: "10ms", grace: "20ms", emit: "change", late: "handle", aggregate: { n: "sum" } },
        ...(items ? { items: s.string } : {}),
        ...options,
      } as never),
    },
  } as never).handle({
    on: {
      values({ ops }: any, { windows: { w }, out }: any) {
        for (const op of ops.split(" ").filter((one: string) => one !== "")) {
          const [, removed, id, at, n] = /^(-?)([^@]*)@?([^=]*)=?(.*)$/.exec(op) as unknown as string[];
          try {
            if (op.startsWith("?")) out.rows.emit(`at ${op.slice(1)}: ${w.current(Number(op.slice(1)))?.n ?? "-"}`);
            else if (removed === "-") w.remove(id);
            else if (items) w.put(id, { n: Number(n) }, Number(at));
            else w.add({ n: Number(n) }, Number(at));
          } catch (error) {
            out.rows.emit((error as Error).message);
          }
        }
      },
    },
    ...("emit" in options && options.emit === "none"
      ? {}
      : {
          onWindow: {
            w({ count, n }: any, { window: { start, end, revision, final, previous }, out }: any) {
              out.rows.emit(`${start}-${end} ${count}:${n} was ${previous?.n ?? "-"} r${revision}${final === true ? " final" : ""}`);
            },
          },
        }),
    onLate: { w: ({ n }: any, { window, out }: any) => out.rows.emit(`late ${window.start}-${window.end} ${n}`) },
  } as never);
  const reader = new MemoryReader();
  const run = new TaskRun(made, reader, tuning);
  const { inputs, outputs } = run.processor;
  const send = async (at: number, ops = ""): Promise<string[]> => {
    const before = run.outputs.length;
    reader.append("values", { key: Buffer.from("a"), value: inputs[0]!.value.encode({ at, ops }), timestampMs: 1 });
    await run.drain();
    return run.outputs.slice(before).map(({ value }) => {
      const bytes = value as Buffer;
      return outputs[0]!.value.decode(bytes, 0, bytes.length) as string;
    });
  };
  return { run, send };
}

test("an item that goes splits its session, and one that comes joins the two", async () => {
  const { send } = start({});
  expect(await send(0, "a@0=1 b@8=2 c@16=4")).toEqual(["0-26 3:7 was - r1"]);
  expect(await send(0, "-b")).toEqual(["0-10 1:1 was 7 r2", "16-26 1:4 was - r1"]);
  expect(await send(0, "d@7=8")).toEqual(["16-26 0:0 was 4 r2 final", "0-26 3:13 was 1 r3"]);
  expect(await send(0, "a@9=1")).toEqual(["0-26 0:0 was 13 r4 final", "7-26 3:13 was - r1"]);
  expect(await send(0, "-a -c -d")).toEqual(["7-17 0:0 was 13 r2 final"]);
});

test("a session whose first item goes is told of before the one that begins later, also when both are in one handler", async () => {
  const { send } = start({ emit: "end" });
  await send(0, "a@0=1 b@8=2");
  expect(await send(20)).toEqual(["0-18 2:3 was - r1"]);
  expect(await send(20, "-a a@0=5")).toEqual(["0-18 0:0 was 3 r2 final", "0-18 2:7 was - r1"]);
  expect(await send(20, "-a")).toEqual(["0-18 0:0 was 7 r2 final", "8-18 1:2 was - r1"]);
});

test("a session that is over because of what went is closed, and emitted once", async () => {
  for (const emit of ["final", "end", "change"]) {
    const { send } = start({ emit, grace: "0ms" });
    await send(0, "a@0=1 b@9=2");
    await send(15);
    const closed = `0-10 1:1 was ${emit === "change" ? "3 r2" : "- r1"} final`;
    // It keeps what it has, though the item that comes then is near, and the id of its item is a new one.
    const alone = emit === "change" ? ["9-19 1:7 was - r1"] : [];
    expect(await send(15, "-b a@9=7"), emit).toEqual(emit === "change" ? [closed, ...alone] : [closed]);
    expect(await send(15, "c@0=9"), emit).toEqual(emit === "change" ? ["9-19 0:0 was 7 r2 final", "0-19 2:16 was - r1"] : []);
    expect(await send(15, "d@-11=3"), emit).toEqual(["late -11--1 3"]);
  }
});

test("one that is over and was not given out yet is given, though another one begins in its place", async () => {
  for (const emit of ["final", "end"]) {
    const { send } = start({ emit, grace: "0ms" });
    await send(0, "a@0=1 b@9=2");
    expect(await send(15, "-b a@9=7 c@0=9"), emit).toEqual(["0-10 1:1 was - r1 final"]);
    expect(await send(19), emit).toEqual(["0-19 2:16 was - r1 final"]);
  }
});

test("one that closes waits for no throttle", async () => {
  const { send } = start({ grace: "0ms", throttle: "100ms" });
  expect(await send(0, "a@0=1 b@9=2")).toEqual(["0-19 2:3 was - r1"]);
  expect(await send(15, "-b z@15=1")).toEqual(["0-10 1:1 was 3 r2 final", "15-25 1:1 was - r1"]);
});

test("one that is over because of what went can be read as long as it is kept", async () => {
  for (const keep of [false, true]) {
    const { send } = start({ emit: "none", grace: "0ms", ...(keep ? { keep: "1m" } : {}) });
    await send(0, "a@0=1 b@9=2");
    expect(await send(15, "?5 -b ?5")).toEqual(["at 5: 3", `at 5: ${keep ? "1" : "-"}`]);
  }
});

test("a put that takes an item away and adds it elsewhere is one step: its session does not close in between", async () => {
  const { send } = start({ emit: "end", grace: "0ms" });
  await send(0, "a@0=1 b@9=2");
  expect(await send(15, "b@8=2")).toEqual([]);
  expect(await send(18)).toEqual(["0-18 2:3 was - r1 final"]);
});

test("an item that goes to where it is late leaves its session", async () => {
  const { send } = start({ grace: "0ms" });
  await send(0, "a@0=1 b@9=2");
  expect(await send(15, "b@-3=5")).toEqual(["late -3-10 5", "0-10 1:1 was 3 r2 final"]);
  expect(await send(16, "-b -a")).toEqual([]);
});

test("without replacements and removals, sessions with items are those without", async () => {
  for (const emit of ["final", "end", "change"])
    for (let seed = 0; seed < 10; seed++) {
      const options = {
        emit,
        grace: "15ms",
        ...(seed % 2 === 0 && emit !== "final" ? { throttle: "9ms" } : {}),
        ...(seed % 3 === 0 ? { keep: "30ms" } : {}),
      };
      const [withItems, plain] = [start(options), start(options, false)];
      const random = new Random(seed);
      for (let i = 0, now = 0; i < 150; i++) {
        now += random.pick([0, 1, 4, 7, 40]);
        const ops = Array.from({ length: random.below(3) }, (_, n) => `${i}/${n}@${now - random.below(50)}=${random.below(9)}`).join(" ");
        expect(await withItems.send(now, ops), `${emit} ${seed} ${i}`).toEqual(await plain.send(now, ops));
      }
    }
});

test("a put costs what its session has at most, however many sessions of the key are open", async () => {
  const { run, send } = start({ emit: "none", gap: "2ms", grace: "1d" }, true, { maxCachedKeys: 0 });
  for (let n = 0; n < 200; n++) await send(n * 10, `p${n}@${n * 10}=1 q${n}@${n * 10 + 2}=1`);
  await run.restart();
  const { store } = run;
  const range = store.range.bind(store);
  let read = 0;
  store.range = function* (options) {
    for (const row of range(options)) {
      // Of items: windows are loaded with their key.
      if (row.key[0] !== 1) read++;
      yield row;
    }
  };
  await send(2000, "-q50 p70@701=2 x71@703=1");
  expect(read).toBeGreaterThan(0);
  expect(read).toBeLessThan(20);
});

test("an own fold that throws leaves the item before, where it was", async () => {
  const add = (total: number, n: number): number => {
    if (n < 0) throw new Error("no such thing");
    return total + n;
  };
  const { send } = start({ aggregate: { n: fold(s.int, { initial: 0, add }) } });
  expect(await send(0, "a@0=1 b@8=2 c@16=4")).toEqual(["0-26 3:7 was - r1"]);
  expect(await send(0, "b@40=-1 d@20=-1")).toEqual(["no such thing", "no such thing"]);
  expect(await send(0, "e@3=1")).toEqual(["0-26 4:8 was 7 r2"]);
  expect(await send(0, "-b")).toEqual(["0-13 2:2 was 8 r3", "16-26 1:4 was - r1"]);
});

test("a view finds the session that holds a time", async () => {
  const { run, send } = start({ emit: "none", grace: "1m" });
  await send(0, "a@0=1 b@8=2 c@16=4 d@100=1");
  await send(0, "-b");
  const found = (at: number) => run.task.window("w").committedAt(Buffer.from("a"), at, run.task.committedWatermarkMs);
  expect(found(9)).toEqual({ start: 0, end: 10, result: { count: 1, n: 1 } });
  expect(found(12)).toBeUndefined();
  expect(found(20)).toEqual({ start: 16, end: 26, result: { count: 1, n: 4 } });
});
