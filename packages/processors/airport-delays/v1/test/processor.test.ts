import { testProcessor } from "reprise/testing";
import { describe, expect, test } from "vitest";
import airportDelays from "../src/processor.ts";

const at = (time: string): number => Date.parse(`2001-01-01T${time}:00Z`);

/** A flight that reports when it arrives: departure + delay. */
function fly(driver: ReturnType<typeof newDriver>, origin: string, destination: string, departure: string, delayMinutes: number): void {
  driver.when.flights(origin, { origin, destination, departure: at(departure), delayMinutes }, at(departure) + delayMinutes * 60_000);
}

const newDriver = () => testProcessor(airportDelays);

describe("airport-delays v1", () => {
  test("keeps totals per airport", () => {
    const driver = newDriver();
    fly(driver, "ATL", "SAV", "10:01", 19);
    fly(driver, "LAS", "PHL", "10:02", 33);
    fly(driver, "ATL", "TPA", "10:03", 15);
    expect(driver.stateOf("ATL").totals.get()).toEqual({ flights: 2, delayed: 1, delayMinutes: 34 });
    expect(driver.stateOf("LAS").totals.get()).toEqual({ flights: 1, delayed: 1, delayMinutes: 33 });
    expect(driver.stateOf("JFK").totals.get()).toEqual({ flights: 0, delayed: 0, delayMinutes: 0 });
  });

  test("counts an early flight as negative delay: the mistake that version 2 corrects", () => {
    const driver = newDriver();
    fly(driver, "ATL", "SAV", "10:01", 20);
    fly(driver, "ATL", "SAV", "10:05", -12);
    expect(driver.stateOf("ATL").totals.get()).toEqual({ flights: 2, delayed: 1, delayMinutes: 8 });
  });

  test("emits an hour once, when no flight of it is waited for any more", () => {
    const driver = newDriver();
    fly(driver, "ATL", "SAV", "10:10", 20);
    fly(driver, "ATL", "TPA", "10:59", -5);
    fly(driver, "ATL", "MIA", "13:59", 0);
    expect(driver.then.hourly()).toEqual([]);
    fly(driver, "ATL", "MIA", "14:00", 0); // watermark 12:00: the hour's end at 11:00 and an hour of grace
    expect(driver.then.hourly()).toMatchObject([
      {
        key: "ATL",
        value: { hour: at("10:00"), flights: 2, delayed: 1, delayMinutes: 15, meanDelayMinutes: 7.5, maxDelayMinutes: 20 },
      },
    ]);
    fly(driver, "ATL", "MIA", "14:30", 0);
    expect(driver.then.hourly()).toEqual([]);
  });

  test("takes a flight out of order into its own hour, and drops one that is too late from it but not from the totals", () => {
    const driver = newDriver();
    fly(driver, "ATL", "SAV", "10:10", 1);
    fly(driver, "ATL", "MIA", "13:59", 0);
    fly(driver, "ATL", "TPA", "10:20", 200); // late by 3 h 39 min, and in time: the watermark is 11:59
    fly(driver, "ATL", "MIA", "14:00", 0);
    expect(driver.then.hourly()).toMatchObject([{ value: { hour: at("10:00"), flights: 2, delayMinutes: 201, maxDelayMinutes: 200 } }]);
    fly(driver, "ATL", "TPA", "10:30", 240);
    fly(driver, "ATL", "MIA", "15:00", 0);
    expect(driver.then.hourly()).toEqual([]);
    expect(driver.stateOf("ATL").totals.get().flights).toBe(6);
  });

  test("gives the same answers in other batches and after a crash", () => {
    const driver = newDriver();
    for (let minute = 0; minute < 400; minute += 7) {
      const departure = `${String(6 + Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
      fly(driver, minute % 2 === 0 ? "ATL" : "ORD", "SAV", departure, (minute % 90) - 10);
    }
    driver.checkReplay();
  });
});
