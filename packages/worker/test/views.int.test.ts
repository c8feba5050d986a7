import { partitionForKey, type ViewAnswer } from "@reprise/engine";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Deployed, Lab } from "./support/lab.ts";
import { asRecords, type Payment, payments } from "./support/payments.ts";
import { readingRecords, readings } from "./support/readings.ts";
import { until } from "./support/until.ts";

const partitions = 4;
const all = payments(4_000);
let lab: Lab;
let deployed: Deployed;
/** By slot. */
let urls: string[];

beforeAll(async () => {
  lab = await Lab.open();
  deployed = await lab.deploy({ source: "totals", workers: 2 });
  const workers = [await deployed.startWorker({ slot: 0 }), await deployed.startWorker({ slot: 1 })];
  urls = workers.map(({ worker }) => worker.url);
  await until("two tasks for each", async () => (await Promise.all(urls.map(tasksOf))).every((tasks) => tasks.length === 2));
  await deployed.send(asRecords(all));
  await deployed.committedAll();
});

afterAll(() => lab.close());

const get = async (
  url: string,
): Promise<{ status: number; body: ViewAnswer & { error?: { code: string; message: string; details: object } } }> => {
  const response = await fetch(url);
  return { status: response.status, body: (await response.json()) as ViewAnswer };
};

async function tasksOf(url: string): Promise<number[]> {
  const { tasks } = (await (await fetch(`${url}/healthz`)).json()) as { tasks: { partition: number }[] };
  return tasks.map(({ partition }) => partition);
}

const taskOf = (account: string): number => partitionForKey(Buffer.from(account), partitions);
const of = (account: string): Payment[] => all.filter((one) => one.account === account);
const sumOf = (some: readonly Payment[]): object => ({ count: some.length, cents: some.reduce((sum, { cents }) => sum + cents, 0) });

async function ownerOf(account: string): Promise<string> {
  for (const url of urls) if ((await tasksOf(url)).includes(taskOf(account))) return url;
  throw new Error(`no worker has task ${taskOf(account)}`);
}

describe("a worker's health", () => {
  test("names deployment, tasks, and where each of them is", async () => {
    const answers = await Promise.all(urls.map(async (url) => fetch(`${url}/healthz`)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    const healths = (await Promise.all(answers.map((answer) => answer.json()))) as {
      ok: boolean;
      deployment: string;
      failures: unknown[];
      tasks: { partition: number; mode: string; publishing: boolean; position: object }[];
    }[];
    const ends = await lab.admin.endOffsets(deployed.input);
    for (const health of healths) expect(health).toMatchObject({ ok: true, deployment: deployed.id, failures: [] });
    const tasks = healths.flatMap((health) => health.tasks).sort((a, b) => a.partition - b.partition);
    expect(tasks).toMatchObject(
      ends.map((end, partition) => ({ partition, mode: "live", publishing: true, position: { [deployed.input]: end } })),
    );
  });
});

describe("a worker's views", () => {
  test("answer for every key with its row, and from which commit and position it is", async () => {
    const ends = await lab.admin.endOffsets(deployed.input);
    for (const account of new Set(all.map((one) => one.account))) {
      const { status, body } = await get(`${await ownerOf(account)}/views/sum/${account}`);
      expect(status).toBe(200);
      const task = taskOf(account);
      const { n } = await deployed.commitRecord(task);
      expect(body).toEqual({
        value: sumOf(of(account)),
        deployment: deployed.id,
        version: 1,
        task,
        n,
        position: { [deployed.input]: ends[task] },
      });
    }
  });

  test("give the entries of a map, one of them, or a range", async () => {
    const account = "account-7";
    const counts = { small: 0, medium: 0, large: 0 };
    for (const { cents } of of(account)) counts[cents < 100 ? "small" : cents < 500 ? "medium" : "large"]++;
    const url = `${await ownerOf(account)}/views/bySize/${account}`;
    const entries = Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1));
    expect((await get(url)).body.entries).toEqual(entries);
    expect((await get(`${url}?reverse=true&limit=2`)).body.entries).toEqual(entries.toReversed().slice(0, 2));
    expect((await get(`${url}?from=m`)).body.entries).toEqual(entries.slice(1));
    expect((await get(`${url}?to=%22m%22`)).body.entries).toEqual(entries.slice(0, 1));
    expect((await get(`${url}?prefix=sm`)).body.entries).toEqual([["small", counts.small]]);
    expect((await get(`${url}?entry=medium`)).body.value).toBe(counts.medium);
    expect(await get(`${url}?entry=huge`)).toMatchObject({ status: 404, body: { error: { code: "NOT_FOUND" } } });
    expect(await get(`${url}?limit=few`)).toMatchObject({
      status: 400,
      body: { error: { code: "INVALID_ARGUMENT", message: expect.stringContaining("few") as string } },
    });
  });

  test("say 404 for a key without a row, and for a view that is none, with the views there are", async () => {
    const owner = await ownerOf("nobody");
    expect(await get(`${owner}/views/sum/nobody`)).toMatchObject({
      status: 404,
      body: {
        error: { code: "NOT_FOUND", message: expect.stringMatching(/sum of totals-\w+ has no row for nobody/) as string },
        task: taskOf("nobody"),
      },
    });
    // Declared, but not with view: true.
    expect(await get(`${owner}/views/hidden/nobody`)).toMatchObject({
      status: 404,
      body: {
        error: { code: "VIEW_UNKNOWN", message: expect.stringContaining("has no view hidden; it has bySize, largest, sum") as string },
      },
    });
  });

  test("say 421 and which task it is when another worker has it", async () => {
    const account = "account-7";
    const owner = await ownerOf(account);
    const other = urls.find((url) => url !== owner) as string;
    expect(await get(`${other}/views/sum/${account}`)).toMatchObject({
      status: 421,
      body: { partition: taskOf(account), error: { code: "NOT_SERVING", details: { partition: taskOf(account) } } },
    });
  });

  test("never show what was not committed: every answer is the state at the position that it names", async () => {
    const busy = await lab.deploy({ source: "totals" });
    const { worker } = await busy.startWorker({ limits: { batchRecords: 50 } });
    await until("its tasks", async () => (await tasksOf(worker.url)).length === partitions);
    const byTask = Array.from({ length: partitions }, (_, partition) => all.filter(({ account }) => taskOf(account) === partition));
    const positions = new Set<number>();
    const rounds = 200;
    for (let i = 0; i < rounds; i++) {
      // A few more, so that commits go on all the while.
      await busy.send(asRecords(all.slice((i * all.length) / rounds, ((i + 1) * all.length) / rounds)));
      const account = `account-${i % 50}`;
      const { status, body } = await get(`${worker.url}/views/sum/${account}`);
      const { position, value } = body;
      const at = position[busy.input] as number;
      positions.add(at);
      const before = (byTask[taskOf(account)] ?? []).slice(0, at).filter((one) => one.account === account);
      if (before.length === 0) expect(status).toBe(404);
      else expect(value).toEqual(sumOf(before));
    }
    expect(positions.size).toBeGreaterThan(10);
    await worker.stop();
  });

  test("give the open windows of a key", async () => {
    const sensors = await lab.deploy({ source: "readings", partitions: 1 });
    const { worker } = await sensors.startWorker();
    const some = readings(200);
    await sensors.send(readingRecords(some));
    await sensors.committedAll();
    const { sensor } = some.at(-1) as { sensor: string };
    const newest = Math.max(...some.map(({ at }) => at));
    const minutes = new Map<number, { count: number; value: number }>();
    let streamTime = 0;
    for (const { sensor: of, at, value } of some) {
      streamTime = Math.max(streamTime, at);
      const start = at - (at % 60_000);
      if (of !== sensor || start + 180_000 <= streamTime) continue;
      const minute = minutes.get(start) ?? { count: 0, value: 0 };
      minutes.set(start, { count: minute.count + 1, value: minute.value + value });
    }
    const open = [...minutes].filter(([start]) => start + 180_000 > newest).sort(([a], [b]) => a - b);
    // The commit is in Kafka a moment before the worker knows of it, and views say what the worker knows.
    const everything = JSON.stringify({ [sensors.input]: some.length });
    const { status, body } = await until("the view to be at the last record", async () => {
      const answer = await get(`${worker.url}/views/perMinute/${sensor}`);
      return JSON.stringify(answer.body.position) === everything ? answer : undefined;
    });
    expect(status).toBe(200);
    expect(body.rows).toEqual(open.map(([start, value]) => ({ value, start, end: start + 60_000 })));
    expect(open.length).toBeGreaterThan(1);
    await worker.stop();
  });
});

test("what is not there is 404, and the metrics page is Prometheus text", async () => {
  expect((await fetch(`${urls[0]}/nothing`)).status).toBe(404);
  const page = await fetch(`${urls[0]}/metrics`);
  expect(page.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
  expect(await page.text()).toContain(
    `reprise_commits_total{processor="${deployed.names.processor}",version="1",deployment="${deployed.id}"}`,
  );
});
