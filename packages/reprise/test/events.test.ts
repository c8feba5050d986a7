import { events, ignore, json, key, processor, s, state, topic } from "reprise";
import { testProcessor } from "reprise/testing";
import { describe, expect, test } from "vitest";

const symbol = key("symbol", s.string);
const Trade = s.record("Trade", { id: s.string, at: s.timestamp, size: s.long });
const Cancelled = s.record("Cancelled", { id: s.string, at: s.timestamp });
const Heartbeat = s.record("Heartbeat", { at: s.timestamp });
const Told = s.record("Told", { text: s.string });
const Closed = s.record("Closed", { size: s.long });

/** Trades by type, told apart by `by`; in time order, so that a trade waits for the heartbeat behind it. */
function book(by: { readonly field: string } | { readonly header: string }) {
  const trades = events("trades", {
    key: symbol,
    by,
    of: { Trade: json(Trade), Cancelled: json(Cancelled), Heartbeat: json(Heartbeat) },
    time: (e) => e.data.at,
    outOfOrder: "10ms",
  });
  const told = events("told", { key: symbol, by, of: { Told: json(Told), Closed: json(Closed) } });
  return processor({
    name: "book",
    version: 1,
    key: symbol,
    order: "event-time",
    inputs: { trades },
    outputs: { told },
    state: { size: state.value(s.long, { initial: 0 }) },
    onError: { decode: "dead-letter" },
  }).handle({
    on: {
      trades: {
        Trade({ id, size }, ctx) {
          ctx.state.size.set(ctx.state.size.get() + size);
          ctx.out.told.emit(
            "Told",
            { text: `${id} ${ctx.timestamp} ${Object.keys(ctx.record.headers).join()}` },
            { headers: { from: "book" } },
          );
        },
        Cancelled(_cancelled, ctx) {
          ctx.out.told.emit("Closed", { size: ctx.state.size.get() });
        },
        Heartbeat: ignore,
      },
    },
  });
}

describe("events()", () => {
  test.each([
    { by: { field: "type" }, headers: "" },
    { by: { header: "kind" }, headers: "kind" },
  ])("each type has its handler, in time order, and its output: $by", ({ by, headers }) => {
    const t = testProcessor(book(by));
    t.when.trades.Trade("A", { id: "t2", at: 120, size: 5 }, 1);
    t.when.trades.Trade("A", { id: "t1", at: 115, size: 2 }, 2);
    t.when.trades.Cancelled("A", { id: "t2", at: 121 }, 3);
    expect(t.then.told()).toEqual([]);
    t.when.trades.Heartbeat("B", { at: 140 }, 4);
    expect(t.then.told()).toEqual([
      { key: "A", type: "Told", data: { text: `t1 115 ${headers}` }, timestamp: 115 },
      { key: "A", type: "Told", data: { text: `t2 120 ${headers}` }, timestamp: 120 },
      { key: "A", type: "Closed", data: { size: 7 }, timestamp: 121 },
    ]);
    expect(t.stateOf("A").size.get()).toBe(7);
    t.checkReplay();
  });

  test("a type that is not declared does not decode, and the dead letter names it", () => {
    const newer = events("trades", { key: symbol, by: { field: "type" }, of: { Split: json(Heartbeat) }, time: (e) => e.data.at });
    const older = book({ field: "type" });
    const sender = testProcessor(
      processor({ name: "newer", version: 1, key: symbol, inputs: { trades: newer }, outputs: { trades: newer } }).handle({
        on: { trades: { Split: (split, ctx) => ctx.out.trades.emit("Split", split) } },
      }),
    );
    sender.when.trades.Split("A", { at: 1 }, 1);
    expect(sender.then.trades()).toMatchObject([{ type: "Split", data: { at: 1 } }]);

    const raw = topic("trades", { key: symbol, value: json<{ type?: unknown; at: number }>() });
    const t = testProcessor(older);
    // The driver's log is the same for both: only the declared types can be sent by it.
    (t as unknown as { log: { append(topic: string, record: object): void } }).log.append(raw.name, {
      key: Buffer.from("A"),
      value: Buffer.from('{"at":5,"type":"Split"}'),
      timestampMs: 5,
    });
    t.when.trades.Heartbeat("A", { at: 1 }, 1);
    expect(t.then.deadLetters()).toEqual([
      { input: "trades", reason: 'an event of trades is of type "Split", which is not declared; there are Trade, Cancelled, Heartbeat' },
    ]);
  });

  test("what is ignored is decoded for its time only", () => {
    const quiet = (time: boolean) =>
      testProcessor(
        processor({
          name: "quiet",
          version: 1,
          key: symbol,
          inputs: {
            all: events("all", {
              key: symbol,
              by: { field: "type" },
              of: { Trade: json(Trade), Noise: json<{ at: number }>() },
              ...(time ? { time: (e: { data: { at: number } }) => e.data.at } : {}),
            }),
          },
          onError: { decode: "dead-letter" },
        }).handle({ on: { all: { Trade: () => undefined, Noise: ignore } } }),
      );
    for (const [time, letters] of [
      [false, 0],
      [true, 1],
    ] as const) {
      const t = quiet(time);
      (t as unknown as { log: { append(topic: string, record: object): void } }).log.append("all", {
        key: Buffer.from("A"),
        value: Buffer.from('{"type":"Noise", this is no JSON'),
        timestampMs: 5,
      });
      t.when.all.Trade("A", { id: "x", at: 1, size: 1 }, 1);
      expect(t.then.deadLetters()).toHaveLength(letters);
    }
  });
});
