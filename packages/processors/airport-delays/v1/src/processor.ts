// How late the flights of each airport leave: running totals to query, and one result per airport and hour to read.
// Flights are reported when they arrive, so their departures come out of order.
import { json, key, processor, s, state, topic, windows } from "reprise";

const airport = key("airport", s.string);

const Flight = s.record("Flight", { origin: s.string, destination: s.string, departure: s.timestamp, delayMinutes: s.int });
const Totals = s.record("Totals", { flights: s.long, delayed: s.long, delayMinutes: s.long });
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
  version: 1,
  key: airport,
  inputs: { flights },
  outputs: { hourly },
  state: { totals: state.value(Totals, { initial: { flights: 0, delayed: 0, delayMinutes: 0 }, view: true }) },
  windows: {
    byHour: windows.tumbling({ size: "1h", grace: "1h", aggregate: { delay: ["sum", "mean", "max"], delayed: "sum" } }),
  },
}).handle({
  on: {
    flights(flight, ctx) {
      // The mistake that version 2 corrects: an early flight has a negative delay and hides the delay of another one.
      const delay = flight.delayMinutes;
      const delayed = delay > delayedBeyondMinutes ? 1 : 0;
      const totals = ctx.state.totals.get();
      ctx.state.totals.set({
        flights: totals.flights + 1,
        delayed: totals.delayed + delayed,
        delayMinutes: totals.delayMinutes + delay,
      });
      ctx.windows.byHour.add({ delay, delayed });
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
