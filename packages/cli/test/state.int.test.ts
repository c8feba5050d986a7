import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { localCheckpointStore } from "@reprise/checkpoint";
import { ControllerClient, type RunningController, startController } from "@reprise/controller";
import { partitionForKey } from "@reprise/engine";
import {
  type Admin,
  createAdmin,
  createRecordProducer,
  type EmbeddedBroker,
  type RecordProducer,
  startEmbeddedBroker,
} from "@reprise/kafka";
import { startWorker, type Worker } from "@reprise/worker";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildArtifact } from "../src/artifact/build-artifact.ts";
import { main } from "../src/main.ts";
import { TestTerminal } from "./support/test-terminal.ts";

const deployment = "sums.v1.1";
const partitions = 2;
const logger = pino({ level: "silent" });
let broker: EmbeddedBroker;
let controller: RunningController;
let client: ControllerClient;
let admin: Admin;
let producer: RecordProducer;
let worker: Worker;
let folder: string;
const sent: { readonly account: string; readonly cents: number; readonly at: number }[] = [];
const taskOf = (account: string): number => partitionForKey(Buffer.from(account), partitions);

beforeAll(async () => {
  broker = await startEmbeddedBroker({ heapMb: 384 });
  const { bootstrap } = broker;
  folder = await mkdtemp(join(tmpdir(), "reprise-state-command-"));
  const checkpointFolder = join(folder, "checkpoints");
  controller = await startController({ bootstrap, port: 0, intervalMs: 50, takeOver: true, checkpointFolder, logger });
  client = new ControllerClient(controller.url, { by: "tester", patienceMs: 20_000 });
  admin = createAdmin({ bootstrap });
  producer = createRecordProducer({ bootstrap });
  await admin.createTopics([{ name: "payments", partitions }]);
  await until("the controller leads", async () => controller.leading);
  const artifactFolder = join(folder, "artifacts");
  const { sha256, definition } = await buildArtifact(join(import.meta.dirname, "fixtures/sums.ts"), artifactFolder, {
    conditions: ["source"],
  });
  await client.deploy({ manifest: { ...definition.manifest }, artifact: sha256 });
  await until("it is starting", async () => (await client.status()).deployments[0]?.state !== "Planned");
  worker = await startWorker({
    ...{ bootstrap, deployment, slot: 0, artifactFolder, checkpointFolder, stateFolder: join(folder, "state"), logger },
    stateEngine: "leveldb",
    limits: { checkpointIntervalMs: 300, flushIntervalMs: 100, keptCheckpoints: 20 },
  });
  await until("it has its tasks", async () => (await client.status()).deployments[0]?.workers[0]?.tasks.length === partitions);
  await pay(300);
  await until("checkpoints", async () => (await Promise.all([0, 1].map(newestCheckpoint))).every((n) => n > 0));
});

afterAll(async () => {
  await worker?.stop();
  await controller?.close();
  await producer?.close();
  await admin?.close();
  await broker?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + 60_000; !(await holds()); await sleep(50))
    if (performance.now() > deadline) throw new Error(`not within 60 s: ${what}`);
}

/** Sends payments, and waits until they are committed. */
async function pay(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const payment = {
      account: `account-${(sent.length * 7) % 20}`,
      cents: (sent.length * 37) % 250,
      at: 1_700_000_000_000 + sent.length * 60_000,
    };
    sent.push(payment);
    const value = Buffer.from(JSON.stringify({ cents: payment.cents }));
    await producer.send("payments", taskOf(payment.account), Buffer.from(payment.account), value, undefined, payment.at);
  }
  await until("they are committed", async () => {
    const { tasks } = (await (await fetch(`${worker.url}/healthz`)).json()) as { tasks: { position: { payments: number } }[] };
    return (
      tasks.reduce((sum, { position }) => sum + position.payments, 0) === sent.length &&
      (await allTotals()) === sent.reduce((sum, { cents }) => sum + cents, 0)
    );
  });
}

async function newestCheckpoint(task: number): Promise<number> {
  const [newest] = await localCheckpointStore({ folder: join(folder, "checkpoints") }).list({ deployment, partition: task });
  return newest?.n ?? 0;
}

interface Row {
  readonly task: number;
  readonly state: string;
  readonly kind: string;
  readonly key: string;
  readonly entry?: unknown;
  readonly value: unknown;
}
type Answer = { readonly [field: string]: unknown } & {
  readonly rows?: unknown;
  readonly error?: { readonly code: string; readonly message: string };
};

async function run(...args: string[]): Promise<{ status: number; terminal: TestTerminal; lines: Answer[] }> {
  const terminal = new TestTerminal();
  const places = ["--controller", controller.url, "--bootstrap", broker.bootstrap];
  const folders = ["--checkpoints", join(folder, "checkpoints"), "--artifacts", join(folder, "artifacts")];
  const status = await main(["state", ...args, ...places, ...folders], terminal);
  const lines =
    args.includes("--json") || args[0] === "export"
      ? terminal.stdout
          .trimEnd()
          .split("\n")
          .filter((line) => line.startsWith("{"))
      : [];
  return { status, terminal, lines: lines.map((line) => JSON.parse(line) as Answer) };
}

const rowsOf = async (reference: string, ...more: string[]): Promise<Row[]> =>
  (await run("export", reference, ...more)).lines as unknown as Row[];

async function allTotals(): Promise<number> {
  return (await rowsOf(deployment, "--state", "total")).reduce((sum, { value }) => sum + Number(value), 0);
}

/** What the processor must hold after the first so many payments of each task, computed without it. */
function expected(taken: (task: number) => number): { totals: Map<string, number>; sizes: Map<string, { [size: string]: number }> } {
  const totals = new Map<string, number>();
  const sizes = new Map<string, { [size: string]: number }>();
  const seen = [0, 0];
  for (const { account, cents } of sent) {
    const task = taskOf(account);
    if ((seen[task] as number)++ >= taken(task)) continue;
    totals.set(account, (totals.get(account) ?? 0) + cents);
    const size = cents < 100 ? "small" : "large";
    const counts = sizes.get(account) ?? {};
    sizes.set(account, { ...counts, [size]: (counts[size] ?? 0) + 1 });
  }
  return { totals, sizes };
}

const totalsIn = (rows: readonly Row[]): Map<string, number> =>
  new Map(rows.filter(({ state }) => state === "total").map(({ key, value }) => [key, Number(value)]));

describe("reprise state", () => {
  it("exports every row of every task by name, key and value", async () => {
    const rows = await rowsOf(deployment);
    const { totals, sizes } = expected(() => Number.POSITIVE_INFINITY);
    expect(totalsIn(rows)).toEqual(totals);
    for (const [account, counts] of sizes) {
      const found = rows.filter(({ state, key }) => state === "bySize" && key === account);
      expect(Object.fromEntries(found.map(({ entry, value }) => [entry, value]))).toEqual(counts);
      expect(found.every(({ task }) => task === taskOf(account))).toBe(true);
    }
    const last = sent.filter(({ account }) => account === "account-7").slice(-2);
    const recent = rows.filter(({ state, key, entry }) => state === "recent" && key === "account-7" && entry !== undefined);
    expect(recent.map(({ value }) => value)).toEqual(last.map(({ cents }) => cents));
    const hour = (at: number): number => at - (at % 3_600_000);
    const windows = rows.filter(({ kind, key }) => kind === "window" && key === "account-7");
    for (const { entry, value } of windows) {
      const { startMs } = entry as { startMs: number };
      const inIt = sent.filter(({ account, at }) => account === "account-7" && hour(at) === startMs);
      expect(value).toMatchObject({ count: inIt.length, cents: inIt.reduce((sum, { cents }) => sum + cents, 0) });
    }
    const timers = rows.filter(({ kind, key }) => kind === "timer" && key === "account-7");
    expect(timers).toMatchObject([{ state: "quiet", value: { dueMs: (last.at(-1) as { at: number }).at + 86_400_000 } }]);
  });

  it("gets the rows of a key, live and in a checkpoint, and says where they stand", async () => {
    const { totals, sizes } = expected(() => Number.POSITIVE_INFINITY);
    const { status, terminal } = await run("get", deployment, "total", "account-7");
    expect([status, terminal.stdout]).toEqual([0, `total "account-7": ${totals.get("account-7")}\n`]);
    const [entry] = (await run("get", deployment, "bySize", "account-7", "--entry", "small", "--json")).lines;
    expect(entry).toMatchObject({
      found: true,
      task: taskOf("account-7"),
      how: "live",
      rows: [{ entry: "small", value: sizes.get("account-7")?.["small"] }],
    });
    const [none] = (await run("get", deployment, "total", "nobody", "--json")).lines;
    expect(none).toMatchObject({ found: false, rows: [] });
    const n = await newestCheckpoint(taskOf("account-7"));
    const [stored] = (await run("get", `${deployment}@checkpoint:${n}`, "total", "account-7", "--json")).lines;
    const taken = (stored as unknown as { position: { payments: number } }).position.payments;
    expect(stored).toMatchObject({
      found: true,
      how: `checkpoint ${n}`,
      n,
      rows: [{ value: expected(() => taken).totals.get("account-7") }],
    });
  });

  it("puts a state together as it was after any commit, and at any offset", async () => {
    for (const task of [0, 1]) {
      const count = sent.filter(({ account }) => taskOf(account) === task).length;
      for (const offset of [0, 1, Math.floor(count / 3), count - 1, count, count + 50]) {
        const { lines } = await run("scan", `${deployment}@payments:${offset}`, "--task", String(task), "--json");
        const [{ position, n, how }] = (lines.at(-1) as unknown as { tasks: [{ position: { payments?: number }; n: number; how: string }] })
          .tasks;
        const taken = position.payments ?? 0;
        expect(taken).toBeLessThanOrEqual(offset);
        expect(how).toMatch(/^(checkpoint \d+|empty state)/);
        const rows = lines.slice(0, -1) as unknown as Row[];
        const { totals } = expected((one) => (one === task ? taken : 0));
        expect(totalsIn(rows)).toEqual(totals);
        const same = await rowsOf(`${deployment}@commit:${n}`, "--task", String(task));
        expect(same).toEqual(rows);
      }
    }
  });

  it("shows what differs between a checkpoint and what came after it, with both values", async () => {
    const checkpoints = await Promise.all([0, 1].map(newestCheckpoint));
    const before = expected(() => Number.POSITIVE_INFINITY);
    expect((await run("diff", deployment, deployment, "--json")).lines).toMatchObject([{ differ: 0 }]);
    await pay(5);
    const after = expected(() => Number.POSITIVE_INFINITY);
    const touched = new Set(sent.slice(-5).map(({ account }) => account));
    const lines: Answer[] = [];
    for (const task of [0, 1]) {
      const { lines: found } = await run(
        "diff",
        `${deployment}@checkpoint:${checkpoints[task]}`,
        deployment,
        "--state",
        "total",
        "--task",
        String(task),
        "--json",
      );
      expect(found.at(-1)).toMatchObject({ differ: found.length - 1 });
      lines.push(...found.slice(0, -1));
    }
    const changes = new Map(lines.map(({ row, left, right }) => [(row as Row).key, [Number(left), Number(right)]]));
    expect(changes).toEqual(new Map([...touched].map((account) => [account, [before.totals.get(account), after.totals.get(account)]])));
    const { terminal } = await run(
      "diff",
      `${deployment}@checkpoint:${checkpoints[taskOf("account-0")]}`,
      deployment,
      "--state",
      "total",
      "--task",
      String(taskOf("account-0")),
    );
    const some = lines.find(({ row }) => (row as Row).task === taskOf("account-0")) as unknown as {
      row: Row;
      left: unknown;
      right: unknown;
    };
    expect(terminal.stdout).toContain(
      `~ total ${JSON.stringify(some.row.key)}: ${JSON.stringify(some.left)} → ${JSON.stringify(some.right)}\n`,
    );
  });

  it("writes lines of JSON to a file, stops at a limit, and takes one key", async () => {
    const file = join(folder, "export.jsonl");
    const { terminal, status } = await run("export", deployment, "--output", file);
    const rows = (await readFile(file, "utf8")).trimEnd().split("\n");
    expect([status, rows]).toEqual([0, (await rowsOf(deployment)).map((row) => JSON.stringify(row))]);
    expect(terminal.stdout).toContain(`${rows.length} rows in ${file}; task 0 live at commit`);
    expect((await run("scan", deployment, "--limit", "3")).terminal.stdout.trimEnd().split("\n")).toHaveLength(4);
    const ofOne = (
      await run("scan", deployment, "--state", "bySize", "--key", "account-7", "--task", String(taskOf("account-7")), "--json")
    ).lines;
    expect(ofOne.slice(0, -1).map(({ entry }) => entry)).toEqual(["large", "small"]);
  });

  it.each([
    [["scan", "nobody.v1.1"], "DEPLOYMENT_UNKNOWN", "nobody.v1.1"],
    [["scan", deployment, "--state", "sum"], "STATE_UNKNOWN", "it has bySize, perHour, quiet, recent, total"],
    [["scan", `${deployment}@checkpoint`, "--state", "sum"], "STATE_UNKNOWN", "it has bySize, perHour, quiet, recent, total"],
    [["scan", deployment, "--key", "account-7"], "INVALID_ARGUMENT", "a key needs the state"],
    [["scan", `${deployment}@commit:3`], "INVALID_ARGUMENT", "Give --task"],
    [["scan", deployment, "--task", "2"], "INVALID_ARGUMENT", "the tasks 0 to 1, not 2"],
    [
      ["get", `${deployment}@checkpoint:99999`, "total", "account-7"],
      "CHECKPOINT_MISSING",
      "has no state of checkpoint 99999: none of its checkpoints fits: it has ",
    ],
    [
      ["scan", `${deployment}@commit:99999`, "--task", "0"],
      "CHECKPOINT_MISSING",
      "has no state of commit 99999: deltas lead from checkpoint ",
    ],
    [["scan", `${deployment}@yesterday`], "INVALID_ARGUMENT", "<deployment>@checkpoint:<n>"],
  ] as const)("refuses %j, and says why", async (args, code, message) => {
    const { status, lines } = await run(...args, "--json");
    expect(status).toBe(message.startsWith("<deployment>") ? 2 : 1);
    expect(lines.at(-1)?.error).toMatchObject({ code, message: expect.stringContaining(message) as string });
  });
});
