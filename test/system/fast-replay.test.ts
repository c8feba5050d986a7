import { afterAll, beforeAll, expect, test } from "vitest";
import { System } from "./support/system.ts";
import { numberOf, windowInput } from "./support/window-input.ts";

/** As many as there were where Kafka Streams 4.1, with results on window close and default settings, lost a third in a fast replay. */
const results = 339_809;
const partitions = 4;
let system: System;

beforeAll(async () => {
  system = await System.open();
});

afterAll(() => system?.close());

test("a replay at full speed gives each of 339,809 window results once, with the right numbers", async () => {
  const input = windowInput(results, partitions, 4);
  await system.createTopics(partitions, "cards", "transfers", "minutes");
  await system.send(input.records);
  await system.deploy("window-results");
  await system.settled("window-results.v1.1", ["cards", "transfers"]);

  const log = await system.read("minutes");
  const seen = new Uint8Array(results);
  const wrong: string[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    for (const { key, value } of log.records("minutes", partition)) {
      const minute = JSON.parse(value ?? "") as { start: number; count: number; cents: number };
      const i = numberOf(key ?? "", minute.start);
      if (minute.count !== input.counts[i] || minute.cents !== input.cents[i]) wrong.push(`${key} ${value}`);
      (seen[i] as number)++;
    }
  }
  const tally = { results: 0, lost: 0, doubled: 0, wrong: wrong.length };
  for (const times of seen) {
    if (times > 0) tally.results++;
    else tally.lost++;
    if (times > 1) tally.doubled++;
  }
  expect(wrong.slice(0, 5)).toEqual([]);
  expect(tally).toEqual({ results, lost: 0, doubled: 0, wrong: 0 });
});
