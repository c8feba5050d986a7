import { broadcast, json, key, processor, s, state, table, timer, topic, windows } from "reprise";

const device = key("device", s.string);
const site = key("site", s.string);
const Reading = s.record("Reading", { at: s.timestamp, value: s.int, site: s.string });
const Command = s.record("Command", { forget: s.boolean });
const Limit = s.record("Limit", { max: s.int });
const Site = s.record("Site", { name: s.string });
const Event = s.record("Event", { what: s.string, at: s.timestamp, n: s.int, text: s.string, version: s.int });

/** Everything that event time has, in one: what each event says depends on windows, timers, state that expires, tables as they were, and the clock. */
export const devices = (version: number) =>
  processor({
    name: "devices",
    version,
    key: device,
    clock: "1s",
    inputs: {
      readings: topic("readings", { key: device, value: json(Reading), time: (r) => r.at, outOfOrder: "2s" }),
      commands: topic("commands", { key: device, value: json(Command) }),
    },
    tables: {
      limits: table("limits", { key: device, value: json(Limit) }),
      sites: broadcast(table("sites", { key: site, value: json(Site) })),
    },
    outputs: { events: topic("events", { key: device, value: json(Event) }) },
    state: {
      seen: state.value(s.int, { initial: 0, ttl: "4s" }),
      bySite: state.map(s.string, s.int, { ttl: "30s" }),
      last: state.list(s.int, { max: 3 }),
    },
    windows: {
      visit: windows.session({ gap: "2s", grace: "1s", emit: "end", aggregate: { value: ["sum", "p95"] } }),
      recent: windows.rolling({ size: "20s", step: "5s", aggregate: { value: ["mean", "max"] } }),
    },
    timers: { silent: timer() },
  }).handle({
    on: {
      readings({ value, site: at }, ctx) {
        const seen = ctx.state.seen.get() + 1;
        ctx.state.seen.set(seen);
        ctx.state.bySite.set(at, (ctx.state.bySite.get(at) ?? 0) + 1);
        ctx.state.last.push(value);
        ctx.windows.visit.add({ value });
        ctx.windows.recent.add({ value });
        ctx.timers.silent.after("5s");
        const max = ctx.tables.limits.get()?.max ?? 95;
        if (value <= max) return;
        const text = `${ctx.tables.sites.get(at)?.name ?? "nowhere"}, limit ${max}, mean ${ctx.windows.recent.current()?.value.mean}`;
        ctx.out.events.emit({ what: "above", at: ctx.timestamp, n: seen, text, version });
      },
      commands(command, ctx) {
        if (command.forget) ctx.state.seen.delete();
        ctx.out.events.emit({ what: "command", at: ctx.timestamp, n: ctx.state.seen.get(), text: "", version });
      },
    },
    onTimer: {
      silent({ due }, ctx) {
        const places = [...ctx.state.bySite.entries()].map(([name, n]) => `${name} ${n}`).join(", ");
        const text = `${[...ctx.state.last].join(" ")}; ${places}; limit ${ctx.tables.limits.get()?.max}`;
        ctx.out.events.emit({ what: "silent", at: due, n: ctx.state.seen.get(), text, version });
      },
    },
    onWindow: {
      visit({ count, value }, ctx) {
        const { start, end, revision, previous, final } = ctx.window;
        const text = `until ${end}, ${value.sum} after ${previous?.value.sum}, p95 ${value.p95}, revision ${revision}, ${final}`;
        ctx.out.events.emit({ what: "visit", at: start, n: count, text, version });
      },
      recent({ count, value }, ctx) {
        ctx.out.events.emit({ what: "recent", at: ctx.window.end, n: count, text: `${value.mean} ${value.max}`, version });
      },
    },
  });
