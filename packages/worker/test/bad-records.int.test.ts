import { deadLetterTopicOf } from "@reprise/engine";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { healthOf } from "./support/health.ts";
import { type Deployed, Lab, type TestRecord } from "./support/lab.ts";
import { readMetrics, sumOf } from "./support/metrics.ts";
import { until } from "./support/until.ts";

let lab: Lab;

beforeAll(async () => {
  lab = await Lab.open();
});

afterAll(() => lab.close());

const good = (seq: number): TestRecord => ({ key: "a", value: { seq, fault: "" } });
const faulty = (seq: number, fault: string): TestRecord => ({ key: "a", value: { seq, fault } });
const undecodable: readonly TestRecord[] = [
  { key: "a", value: "{ no json" },
  { key: "a", value: { seq: "one", fault: "" } },
  { key: "a", value: { fault: "" } },
  { key: "a", value: null },
  { key: null, value: { seq: 1, fault: "" } },
];
const counted = async (deployed: Deployed): Promise<unknown[]> =>
  (await deployed.outputs()).flat().map(({ value }) => JSON.parse(value as string));

/** What the outputs must be: only the good records are counted, and nothing of the faulty ones is left. */
const results = (...seqs: number[]): object[] => seqs.map((seq, i) => ({ seq, count: i + 1 }));

describe("with the policy 'fail'", () => {
  const cases: readonly { name: string; record: TestRecord; code: string; why: RegExp }[] = [
    { name: "a value that is no JSON", record: undecodable[0] as TestRecord, code: "RECORD_UNDECODABLE", why: /does not decode: .*JSON/ },
    {
      name: "a value that does not fit its schema",
      record: undecodable[1] as TestRecord,
      code: "RECORD_UNDECODABLE",
      why: /does not decode: .*seq/,
    },
    { name: "a record without a value", record: undecodable[3] as TestRecord, code: "RECORD_UNDECODABLE", why: /has no value/ },
    { name: "a record without a key", record: undecodable[4] as TestRecord, code: "RECORD_UNDECODABLE", why: /has no key/ },
    { name: "a handler that throws", record: faulty(9, "throw"), code: "HANDLER_FAILED", why: /failed in on\.commands: no 9, please/ },
    {
      name: "a handler that returns a promise",
      record: faulty(9, "promise"),
      code: "ASYNC_HANDLER",
      why: /on\.commands .* returned a promise/,
    },
    {
      name: "an output that does not fit its schema",
      record: faulty(9, "output"),
      code: "OUTPUT_INVALID",
      why: /output done \(.*-out\): value: .*seq/,
    },
  ];

  test.each(cases)("$name stops its task in front of the record, names it, and loses nothing", async ({ record, code, why }) => {
    const deployed = await lab.deploy({ source: "faulty", partitions: 1, policy: "fail" });
    const first = await deployed.startWorker();
    // Without a key it still has to come to this task.
    await lab.send(deployed.input, [good(1), good(2), record, good(3)]);
    const health = await until("the failure", async () => {
      const seen = await healthOf(first);
      return seen.failures.length > 0 && seen;
    });
    expect(health).toMatchObject({ status: 503, ok: false });
    expect(health.failures).toMatchObject([{ partition: 0, code }]);
    const { message } = health.failures[0] as { message: string };
    expect(message).toContain(`${deployed.names.processor} v1: record ${deployed.input}-0@2 `);
    expect(message).toMatch(why);
    await until("what lies before it", async () => (await deployed.committed())[0] === 2);
    expect(await counted(deployed)).toEqual(results(1, 2));
    await first.worker.stop();
    expect(await deployed.committed()).toEqual([2]);
  });

  test("only the task with the bad record stops, and it stops there again after a restart", async () => {
    const deployed = await lab.deploy({ source: "faulty", partitions: 4, policy: "fail" });
    const keys = Array.from({ length: 12 }, (_, i) => `key-${i}`);
    const round = (seq: number): TestRecord[] => keys.map((key) => ({ key, value: { seq, fault: "" } }));
    const first = await deployed.startWorker();
    await lab.send(deployed.input, [...round(1), { key: "key-0", value: { seq: 2, fault: "throw" } }, ...round(3)]);
    const failed = (await until("the failure", async () => (await healthOf(first)).failures[0])).partition;
    const ends = await lab.admin.endOffsets(deployed.input);
    const others = [0, 1, 2, 3].filter((partition) => partition !== failed);
    const othersDone = async (): Promise<boolean> => {
      const committed = await deployed.committed();
      return others.every((partition) => committed[partition] === ends[partition]);
    };
    await until("the others to go on", othersDone);
    const before = await deployed.committed();
    expect(before[failed]).toBeLessThan(ends[failed] as number);
    await first.worker.stop();

    const second = await deployed.startWorker();
    const again = await until("the failure again", async () => (await healthOf(second)).failures[0]);
    expect(again).toMatchObject({
      partition: failed,
      code: "HANDLER_FAILED",
      message: expect.stringContaining(`-${failed}@${before[failed]} `) as string,
    });
    await second.worker.stop();
    expect(await deployed.committed()).toEqual(before);
    // Everything in front of it is there once.
    const outputs = await deployed.outputs();
    expect(outputs.map((records) => records.length)).toEqual(before);
  });
});

describe("with the policy 'skip'", () => {
  test("bad records are counted and leave nothing behind", async () => {
    const deployed = await lab.deploy({ source: "faulty", partitions: 1, policy: "skip" });
    const worker = await deployed.startWorker();
    await lab.send(deployed.input, [good(1), ...undecodable, good(2), faulty(9, "throw"), faulty(9, "output"), good(3)]);
    await deployed.committedAll();
    expect(await counted(deployed)).toEqual(results(1, 2, 3));
    const metrics = await until("them to be counted", async () => {
      const seen = await readMetrics(worker.worker.url);
      return sumOf(seen, "reprise_skipped_records_total") === undecodable.length + 2 && seen;
    });
    expect(sumOf(metrics, "reprise_skipped_records_total", { topic: deployed.input, reason: "RECORD_UNDECODABLE" })).toBe(
      undecodable.length,
    );
    expect(sumOf(metrics, "reprise_skipped_records_total", { topic: deployed.input, reason: "HANDLER_FAILED" })).toBe(1);
    expect(sumOf(metrics, "reprise_dead_letters_total")).toBe(0);
    expect(await healthOf(worker)).toMatchObject({ status: 200, ok: true });
    expect((await lab.read(deadLetterTopicOf(deployed.names.processor))).flat()).toEqual([]);
    await worker.worker.stop();
  });

  test("a promise is still an error: it is a mistake of the code, not of a record", async () => {
    const deployed = await lab.deploy({ source: "faulty", partitions: 1, policy: "skip" });
    const worker = await deployed.startWorker();
    await lab.send(deployed.input, [good(1), faulty(9, "promise")]);
    const failure = await until("the failure", async () => (await healthOf(worker)).failures[0]);
    expect(failure).toMatchObject({ code: "ASYNC_HANDLER", message: expect.stringContaining(`${deployed.input}-0@1 `) as string });
    await worker.worker.stop();
    expect(await deployed.committed()).toEqual([1]);
  });
});

describe("with the policy 'dead-letter'", () => {
  test("bad records go there byte by byte with the reason, and leave nothing else behind", async () => {
    const deployed = await lab.deploy({ source: "faulty", partitions: 1, policy: "dead-letter" });
    const worker = await deployed.startWorker();
    const bad = [...undecodable, faulty(8, "throw"), faulty(9, "reject")];
    await lab.send(deployed.input, [good(1), ...bad, good(2)]);
    await deployed.committedAll();
    expect(await counted(deployed)).toEqual(results(1, 2));
    const letters = (await lab.read(deadLetterTopicOf(deployed.names.processor))).flat();
    const originals = (await lab.read(deployed.input)).flat().slice(1, 1 + bad.length);
    expect(letters.map(({ key, valueBytes }) => ({ key, valueBytes }))).toEqual(
      originals.map(({ key, valueBytes }) => ({ key, valueBytes })),
    );
    const codes = [...undecodable.map(() => "RECORD_UNDECODABLE"), "HANDLER_FAILED", "RECORD_REJECTED"];
    expect(letters.map(({ headers }) => headers["reprise-code"])).toEqual(codes);
    expect(letters.map(({ headers }) => headers["reprise-source"])).toEqual(bad.map((_, i) => `${deployed.input}-0@${i + 1}`));
    const reasons = letters.map(({ headers }) => headers["reprise-reason"]);
    for (const [i, why] of [/JSON/, /seq/, /seq/, /no value/, /no key/, /no 8, please/, /9 is not wanted/].entries())
      expect(reasons[i]).toMatch(why);
    await until("them to be counted", async () => {
      const seen = await readMetrics(worker.worker.url);
      return codes.every(
        (code) =>
          sumOf(seen, "reprise_dead_letters_total", { topic: deployed.input, reason: code }) === codes.filter((one) => one === code).length,
      );
    });
    expect(await healthOf(worker)).toMatchObject({ status: 200, ok: true });
    await worker.worker.stop();
  });
});

describe("a handler that rejects", () => {
  test("sends its record to the dead letters whatever the policy is", async () => {
    const deployed = await lab.deploy({ source: "faulty", partitions: 1, policy: "fail" });
    const { worker } = await deployed.startWorker();
    await lab.send(deployed.input, [good(1), faulty(7, "reject"), good(2)]);
    await deployed.committedAll();
    expect(await counted(deployed)).toEqual(results(1, 2));
    const letters = (await lab.read(deadLetterTopicOf(deployed.names.processor))).flat();
    expect(letters.map(({ value, headers }) => [value, headers["reprise-code"], headers["reprise-reason"]])).toEqual([
      [JSON.stringify({ seq: 7, fault: "reject" }), "RECORD_REJECTED", expect.stringContaining("7 is not wanted")],
    ]);
    await worker.stop();
  });
});
