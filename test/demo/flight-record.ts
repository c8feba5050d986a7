import type { Airport } from "./flight-log.ts";

/** The record of a flight: JSON value, as the processors' schema has it. Written by hand because three million are to be written. */
export function flightValue(origin: Airport, destination: Airport, departure: number, delayMinutes: number): string {
  return `{"origin":"${origin.name}","destination":"${destination.name}","departure":${departure},"delayMinutes":${delayMinutes}}`;
}

/** When the flight was over and reported: the record's timestamp, epoch ms. */
export function reportedAt(departure: number, delayMinutes: number): number {
  return departure + delayMinutes * 60_000;
}
