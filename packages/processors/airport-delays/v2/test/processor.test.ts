import { testProcessor } from "reprise/testing";
import { describe, expect, test } from "vitest";
import airportDelays from "../src/processor.ts";

const at = (time: string): number => Date.parse(`2001-01-01T${time}:00Z`);

/** A flight that reports when it arrives: departure + delay. */
function fly(driver: ReturnType<typeof newDriver>, origin: string, destination: string, departure: string, delayMinutes: number): void {
  driver.when.flights(origin, { origin, destination, departure: at(departure), delayMinutes }, at(departure) + delayMinutes * 60_000);
}

const newDriver = () => testProcessor(airportDelays);

describe("airport-delays v2", () => {
  test("counts an early flight as a flight without delay", () => {
    const driver = newDriver();
    fly(driver, "ATL", "SAV", "10:01", 20);
    fly(driver, "ATL", "SAV", "10:05", -12);
    expect(driver.stateOf("ATL").totals.get()).toEqual({ flights: 2, delayed: 1, delayMinutes: 20 });
    fly(driver, "ATL", "MIA", "14:00", 0);
    expect(driver.then.hourly()).toMatchObject([
      {
        key: "ATL",
        value: { hour: at("10:00"), flights: 2, delayed: 1, delayMinutes: 20, meanDelayMinutes: 10, maxDelayMinutes: 20 },
      },
    ]);
  });

  test("names the destination that lost most minutes, however the flights come", () => {
    const driver = newDriver();
    fly(driver, "ATL", "SAV", "10:00", 30);
    expect(driver.stateOf("ATL").worst.get()).toEqual({ destination: "SAV", flights: 1, delayMinutes: 30 });
    fly(driver, "ATL", "TPA", "10:01", 20);
    expect(driver.stateOf("ATL").worst.get()?.destination).toBe("SAV");
    fly(driver, "ATL", "TPA", "10:02", 11);
    expect(driver.stateOf("ATL").worst.get()).toEqual({ destination: "TPA", flights: 2, delayMinutes: 31 });
    fly(driver, "ATL", "TPA", "10:03", -40);
    expect(driver.stateOf("ATL").worst.get()).toEqual({ destination: "TPA", flights: 3, delayMinutes: 31 });
    expect(driver.stateOf("ATL").destinations.get("SAV")).toEqual({ flights: 1, delayMinutes: 30 });
  });

  test("takes the first by name of two that are equally bad", () => {
    const driver = newDriver();
    fly(driver, "ATL", "TPA", "10:00", 30);
    fly(driver, "ATL", "SAV", "10:01", 30);
    expect(driver.stateOf("ATL").worst.get()?.destination).toBe("SAV");
    fly(driver, "ATL", "TYS", "10:02", 30);
    expect(driver.stateOf("ATL").worst.get()?.destination).toBe("SAV");
  });

  test("gives the same answers in other batches and after a crash", () => {
    const driver = newDriver();
    for (let minute = 0; minute < 400; minute += 7) {
      const departure = `${String(6 + Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
      fly(driver, minute % 2 === 0 ? "ATL" : "ORD", minute % 3 === 0 ? "SAV" : "MIA", departure, (minute % 90) - 10);
    }
    driver.checkReplay();
  });
});
