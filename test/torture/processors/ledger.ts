import { json, key, processor, s, state, table, timer, topic, windows } from "reprise";

const account = key("account", s.string);
const Move = s.record("Move", { seq: s.int, cents: s.int, shop: s.string });
const Notice = s.record("Notice", { seq: s.int, text: s.string, close: s.boolean });
const Entry = s.record("Entry", { what: s.string, seq: s.int, count: s.int, cents: s.int, text: s.string });
const Balance = s.record("Balance", { count: s.int, cents: s.int });

/** Accounts that are opened, used, noted upon, found quiet and closed: what each entry says depends on everything before it, in order. `../model.ts` is the same by other means. */
export default processor({
  name: "ledger",
  version: 1,
  key: account,
  inputs: {
    moves: topic("moves", { key: account, value: json(Move) }),
    notices: topic("notices", { key: account, value: json(Notice) }),
  },
  outputs: {
    entries: topic("entries", { key: account, value: json(Entry) }),
    balances: table("balances", { key: account, value: json(Balance) }),
  },
  state: {
    balance: state.value(Balance, { initial: { count: 0, cents: 0 }, view: true }),
    note: state.value(s.string, { view: true }),
    byShop: state.map(s.string, s.int, { view: true }),
    recent: state.list(s.int, { max: 4 }),
  },
  windows: {
    span: windows.tumbling({ size: "5s", aggregate: { cents: ["sum", "max"] } }),
  },
  timers: { quiet: timer() },
}).handle({
  on: {
    moves({ seq, cents, shop }, ctx) {
      const before = ctx.state.balance.get();
      const now = { count: before.count + 1, cents: before.cents + cents };
      ctx.state.balance.set(now);
      ctx.state.byShop.set(shop, (ctx.state.byShop.get(shop) ?? 0) + 1);
      ctx.state.recent.push(seq);
      ctx.windows.span.add({ cents });
      ctx.timers.quiet.after("4s");
      ctx.out.balances.upsert(now);
      const shops = [...ctx.state.byShop.entries()].map(([name, n]) => `${name}=${n}`).join(",");
      const text = `${shops};${[...ctx.state.recent].join(",")};${ctx.state.note.get() ?? ""}`;
      ctx.out.entries.emit({ what: "move", seq, ...now, text });
    },
    notices({ seq, text, close }, ctx) {
      const balance = ctx.state.balance.get();
      ctx.out.entries.emit({ what: close ? "closed" : "noted", seq, ...balance, text: ctx.state.note.get() ?? "" });
      if (!close) {
        ctx.state.note.set(text);
        return;
      }
      ctx.state.balance.delete();
      ctx.state.note.delete();
      for (const [shop] of [...ctx.state.byShop.entries()]) ctx.state.byShop.delete(shop);
      ctx.state.recent.clear();
      ctx.timers.quiet.cancel();
      ctx.out.balances.delete();
    },
  },
  onTimer: {
    quiet(_timer, ctx) {
      // What an account bought where is forgotten when it rests: the state stays bounded.
      const shops = [...ctx.state.byShop.entries()].map(([name, n]) => `${name}=${n}`).join(",");
      for (const [shop] of [...ctx.state.byShop.entries()]) ctx.state.byShop.delete(shop);
      ctx.out.entries.emit({ what: "quiet", seq: 0, ...ctx.state.balance.get(), text: shops });
    },
  },
  onWindow: {
    span({ count, cents }, ctx) {
      ctx.out.entries.emit({ what: "span", seq: 0, count, cents: cents.sum, text: `${ctx.window.start} ${cents.max}` });
    },
  },
});
