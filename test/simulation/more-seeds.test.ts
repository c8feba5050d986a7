import { describe } from "vitest";
import { testSeeds } from "./seeds.ts";

describe("sessions, controllers and workers on a simulated Kafka, under faults at every await", () => {
  testSeeds(1001, 2001);
});
