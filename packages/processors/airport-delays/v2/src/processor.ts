// Version 2 of airport-delays: an early flight is no negative delay any more, and each airport knows its worst destination.
import { json, key, processor, s, state, topic, windows } from "reprise";

const airport = key("airport", s.string);

const Flight = s.record("Flight", { origin: s.string, destination: s.string, departure: s.timestamp, delayMinutes: s.int });
const Totals = s.record("Totals", { flights: s.long, delayed: s.long, delayMinutes: s.long });
const Destination = s.record("Destination", { flights: s.long, delayMinutes: s.long });
const Worst = s.record("Worst", { destination: s.string, flights: s.long, delayMinutes: s.long });
const Hourly = s.record("Hourly", {
  hour: s.timestamp,
  flights: s.long,
  delayed: s.long,
  delayMinutes: s.long,
  meanDelayMinutes: s.double,
  maxDelayMinutes: s.int,
});

export const flights = topic("flights", { key: airport, value: json(Flight), time: (flight) => flight.departure, outOfOrder: "2h" });
export const hourly = topic("airport-hourly", { key: airport, value: json(Hourly) });

/** A flight counts as delayed from here on, as in the official statistics. */
const delayedBeyondMinutes = 15;

export default processor({
  name: "airport-delays",
  version: 2,
  key: airport,
  inputs: { flights },
  outputs: { hourly },
  state: {
    totals: state.value(Totals, { initial: { flights: 0, delayed: 0, delayMinutes: 0 }, view: true }),
    destinations: state.map(s.string, Destination, { view: true }),
    /** The destination that lost most minutes in sum; of equal ones, the first by name. */
    worst: state.value(Worst, { view: true }),
  },
  windows: {
    byHour: windows.tumbling({ size: "1h", grace: "1h", aggregate: { delay: ["sum", "mean", "max"], delayed: "sum" } }),
  },
}).handle({
  on: {
    flights(flight, ctx) {
      const delay = Math.max(0, flight.delayMinutes);
      const delayed = delay > delayedBeyondMinutes ? 1 : 0;
      const totals = ctx.state.totals.get();
      ctx.state.totals.set({
        flights: totals.flights + 1,
        delayed: totals.delayed + delayed,
        delayMinutes: totals.delayMinutes + delay,
      });
      ctx.windows.byHour.add({ delay, delayed });

      const { destination } = flight;
      const before = ctx.state.destinations.get(destination);
      const now = { flights: (before?.flights ?? 0) + 1, delayMinutes: (before?.delayMinutes ?? 0) + delay };
      ctx.state.destinations.set(destination, now);
      // Sums never fall, so only the destination that just grew can have become the worst: no search over all of them.
      const worst = ctx.state.worst.get();
      if (
        worst === undefined ||
        destination === worst.destination ||
        now.delayMinutes > worst.delayMinutes ||
        (now.delayMinutes === worst.delayMinutes && destination < worst.destination)
      ) {
        ctx.state.worst.set({ destination, flights: now.flights, delayMinutes: now.delayMinutes });
      }
    },
  },
  onWindow: {
    byHour({ count, delay, delayed }, ctx) {
      ctx.out.hourly.emit({
        hour: ctx.window.start,
        flights: count,
        delayed,
        delayMinutes: delay.sum,
        meanDelayMinutes: delay.mean,
        maxDelayMinutes: delay.max,
      });
    },
  },
});
