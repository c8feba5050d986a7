// Hourly delays per airport. Flights are keyed by flight number, reported out of order and late; corrections reach a table; hopeless ones go aside.
import { json, key, processor, rekey, s, table, topic, windows } from "reprise";

const flightNumber = key("flight", s.string);
export const airport = key("airport", s.string);
export const airportHour = key("airport-hour", s.record("AirportHour", { airport: s.string, hour: s.timestamp }));

const Flight = s.record("Flight", { origin: s.string, destination: s.string, departure: s.timestamp, delayMinutes: s.int });
const Hourly = s.record("Hourly", { flights: s.long, delayed: s.long, meanDelay: s.double, maxDelay: s.double, p95Delay: s.double });

export const flights = topic("flights", { key: flightNumber, value: json(Flight), time: (f) => f.departure, outOfOrder: "2h" });
export const hourly = table("airport-hourly", { key: airportHour, value: json(Hourly) });
export const tooLate = topic("flights-too-late", {
  key: airport,
  value: json(s.record("TooLate", { hour: s.timestamp, delayMinutes: s.int.optional() })),
});

export default processor({
  name: "airport-delays",
  version: 1,
  key: airport,
  inputs: { flights: rekey(flights, { key: airport, by: (f) => f.origin }) },
  outputs: { hourly, tooLate },
  windows: {
    byHour: windows.tumbling({
      size: "1h",
      grace: "6h",
      emit: "end",
      late: "handle",
      view: true,
      keep: "30d",
      aggregate: { delay: ["mean", "max", "p95"], delayed: "sum" },
    }),
  },
}).handle({
  on: {
    flights(flight, ctx) {
      ctx.windows.byHour.add({ delay: flight.delayMinutes, delayed: flight.delayMinutes > 15 ? 1 : 0 });
    },
  },
  onWindow: {
    byHour({ count, delay, delayed }, ctx) {
      // at the end of the hour, and once more per correction within 6 h
      ctx.out.hourly.upsert(
        { flights: count, delayed, meanDelay: delay.mean, maxDelay: delay.max, p95Delay: delay.p95 },
        { key: { airport: ctx.key, hour: ctx.window.start } },
      );
    },
  },
  onLate: {
    byHour({ delay }, ctx) {
      ctx.out.tooLate.emit({ hour: ctx.window.start, delayMinutes: delay });
    },
  },
});
