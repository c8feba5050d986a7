import { partitionForKey, type ViewAnswer, type WorkerAnnouncement } from "@reprise/engine";
import { describe, expect, it } from "vitest";
import { AnswerGuard } from "../src/gateway/answer-guard.ts";
import { keyBytes } from "../src/gateway/key-bytes.ts";
import { type GatewayAnswer, QueryGateway } from "../src/gateway/query-gateway.ts";
import { became, completed, created, cut, intended, specOf, stateAfter } from "./support/control-fixture.ts";

const answerAt = (deployment: string, n: number, offset: number, task = 0): ViewAnswer => ({
  value: 1,
  deployment,
  version: 1,
  task,
  n,
  position: { in: offset },
});

describe("answers", () => {
  it("older than one that was given are stale: by commit number, then by position", () => {
    const guard = new AnswerGuard();
    expect(guard.accept("p", 0, answerAt("a", 5, 100))).toBe("fresh");
    expect(guard.accept("p", 0, answerAt("a", 4, 200))).toBe("stale");
    expect(guard.accept("p", 0, answerAt("a", 5, 99))).toBe("stale");
    expect(guard.accept("p", 0, answerAt("a", 5, 100))).toBe("fresh");
    expect(guard.accept("p", 0, answerAt("a", 6, 101))).toBe("fresh");
  });

  it("of another task or processor are not compared", () => {
    const guard = new AnswerGuard();
    guard.accept("p", 0, answerAt("a", 5, 100));
    expect(guard.accept("p", 0, answerAt("a", 1, 1, 1))).toBe("fresh");
    expect(guard.accept("q", 0, answerAt("b", 1, 1))).toBe("fresh");
  });

  it("of whoever serves since are newer, and those of who served before are stale", () => {
    const guard = new AnswerGuard();
    guard.accept("p", 0, answerAt("a", 50, 100));
    expect(guard.accept("p", 1, answerAt("b", 2, 90))).toBe("fresh");
    expect(guard.accept("p", 0, answerAt("a", 51, 101))).toBe("stale");
  });
});

describe("the bytes of a key", () => {
  it("are those of Kafka's own serializers", () => {
    expect(keyBytes({ format: "primitive", kind: "string" }, "zürich")).toEqual(Buffer.from("zürich"));
    expect(keyBytes({ format: "primitive", kind: "int" }, "-2")).toEqual(Buffer.from([255, 255, 255, 254]));
    expect(keyBytes({ format: "primitive", kind: "long" }, "258")).toEqual(Buffer.from([0, 0, 0, 0, 0, 0, 1, 2]));
  });

  it("are not guessed for other keys, nor for text that is none", () => {
    expect(keyBytes({ format: "avro", kind: "record" }, "{}")).toBeUndefined();
    expect(keyBytes({ format: "primitive", kind: "int" }, "2147483648")).toBeUndefined();
    expect(keyBytes({ format: "primitive", kind: "long" }, "1.5")).toBeUndefined();
  });
});

describe("the gateway", () => {
  const one = specOf("p", 1, { partitions: 2 });
  const two = specOf("p", 2, { partitions: 2 });
  const before = stateAfter(created(one, true), became(one.id, "Serving"), created(two, false), became(two.id, "CaughtUp"));
  const task = partitionForKey(Buffer.from("k"), 2);
  const worker = (deployment: string, slot: number, tasks: readonly number[]): WorkerAnnouncement => ({
    format: 1,
    kind: "worker",
    deployment,
    slot,
    url: `http://${deployment}/${slot}`,
    pid: 1,
    tasks,
    atMs: 0,
    failures: [],
  });
  const workers = (deployment: string): WorkerAnnouncement[] => [worker(deployment, 0, [0]), worker(deployment, 1, [1])];
  const query = { processor: "p", view: "totals", key: "k", search: "?entry=x" };
  const gateway = (
    ask: (url: string) => GatewayAnswer | undefined,
    more: { workers?: (id: string) => WorkerAnnouncement[]; state?: () => typeof before; generation?: () => number } = {},
  ): QueryGateway =>
    new QueryGateway({
      state: more.state ?? (() => before),
      generation: more.generation ?? (() => 0),
      workers: more.workers ?? workers,
      ask: (url) => Promise.resolve(ask(url)),
    });

  it("asks the worker that owns the key, and hands the query on as it is", async () => {
    const asked: string[] = [];
    const answer = await gateway((url) => {
      asked.push(url);
      return { status: 200, body: answerAt(one.id, 1, 1, task) };
    }).answer(query);
    expect(answer.status).toBe(200);
    expect(asked).toEqual([`http://${one.id}/${task}/views/totals/k?entry=x`]);
  });

  it("follows a worker that names another one", async () => {
    const spec = { ...one, manifest: { ...one.manifest, key: { name: "r", schema: { format: "avro", kind: "record" } } } };
    const state = stateAfter(created(spec, true), became(one.id, "Serving"));
    const answer = await gateway(
      (url) =>
        url.startsWith(`http://${one.id}/1`) ? { status: 200, body: answerAt(one.id, 1, 1, 1) } : { status: 421, body: { partition: 1 } },
      { state: () => state },
    ).answer(query);
    expect(answer.body).toMatchObject({ task: 1 });
  });

  it("asks again for an answer that is older than one it gave", async () => {
    const answers = [answerAt(one.id, 7, 70, task), answerAt(one.id, 6, 60, task), answerAt(one.id, 8, 80, task)];
    const tested = gateway(() => ({ status: 200, body: answers.shift() }));
    expect((await tested.answer(query)).body).toMatchObject({ n: 7 });
    expect((await tested.answer(query)).body).toMatchObject({ n: 8 });
  });

  it("switches with the cutover, and not before it is completed", async () => {
    const decided = [
      created(one, true),
      became(one.id, "Serving"),
      created(two, false),
      intended(one.id, two.id),
      cut(one.id, two.id, { in: [5, 5] }),
    ] as const;
    let state = stateAfter(...decided);
    let generation = 0;
    const tested = gateway(
      (url) => ({ status: 200, body: answerAt(url.includes(two.id) ? two.id : one.id, url.includes(two.id) ? 1 : 9, 5, task) }),
      { state: () => state, generation: () => generation },
    );
    expect((await tested.answer(query)).body).toMatchObject({ deployment: one.id });
    state = stateAfter(...decided, completed(one.id, two.id));
    generation = 1;
    expect((await tested.answer(query)).body).toMatchObject({ deployment: two.id });
  });

  it("says that nobody serves when no worker is there or none answers", async () => {
    await expect(gateway(() => undefined).answer(query)).rejects.toMatchObject({ code: "NOT_SERVING" });
    await expect(gateway(() => undefined, { workers: () => [] }).answer(query)).rejects.toThrow("no worker");
  });

  it("refuses processors and views that there are not, naming those that there are", async () => {
    const tested = gateway(() => undefined);
    await expect(tested.answer({ ...query, processor: "x" })).rejects.toMatchObject({ code: "PROCESSOR_UNKNOWN" });
    await expect(tested.answer({ ...query, view: "hidden" })).rejects.toThrow("totals");
  });

  it("hands on what a worker refuses", async () => {
    await expect(gateway(() => ({ status: 404, body: { error: { code: "NOT_FOUND" } } })).answer(query)).resolves.toMatchObject({
      status: 404,
    });
  });
});
