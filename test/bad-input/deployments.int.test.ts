import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deployFile, type RunningDev, startDev } from "@reprise/cli";
import type { DeploymentStatus } from "@reprise/controller";
import { deadLetterTopicOf } from "@reprise/engine";
import { type Admin, createAdmin, createPlainReader, createRecordProducer, type RecordProducer } from "@reprise/kafka";
import { RepriseError } from "@reprise/schema";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../demo/until.ts";

const patienceMs = 60_000;
const partitions = 2;
/** An existing cluster may have seen these before. */
const run = Date.now().toString(36);
const [orphan, uneven, frozen, early, promising, missing] = ["orphan", "uneven", "frozen", "early", "promising", "missing"].map(
  (name) => `${name}-${run}`,
) as [string, string, string, string, string, string];
let folder: string;
let dev: RunningDev;
let admin: Admin;
let producer: RecordProducer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "reprise-deployments-"));
  // Nothing counts as caught up here: it would have to keep up for an hour.
  dev = await startDev({ folder: join(folder, "dev"), stabilityMs: 3_600_000, brokerHeapMb: 384 });
  admin = createAdmin({ bootstrap: dev.bootstrap });
  producer = createRecordProducer({ bootstrap: dev.bootstrap });
});

afterAll(async () => {
  await producer?.close();
  await admin?.close();
  await dev?.stop();
  rmSync(folder, { recursive: true, force: true });
});

interface Source {
  readonly name: string;
  readonly version?: number;
  readonly inputs?: readonly string[];
  readonly handler?: string;
  readonly extension?: "ts" | "mjs";
}

/** A processor's file: it emits what it gets, with its own version. */
function fileOf({ name, version = 1, inputs = [`${name}-in`], handler, extension = "ts" }: Source): string {
  const file = join(folder, `${name}-v${version}.${extension}`);
  const body = handler ?? `({ seq }, ctx) { ctx.out.echo.emit({ seq, version: ${version} }); }`;
  writeFileSync(
    file,
    `import { json, key, processor, s, topic } from "reprise";
     const id = key("id", s.string);
     const In = s.record("In", { seq: s.int });
     const Out = s.record("Out", { seq: s.int, version: s.int });
     export default processor({
       name: "${name}", version: ${version}, key: id,
       inputs: { ${inputs.map((topic, i) => `in${i}: topic("${topic}", { key: id, value: json(In) })`).join(", ")} },
       outputs: { echo: topic("${name}-out", { key: id, value: json(Out) }) },
     }).handle({ on: { ${inputs.map((_, i) => `in${i}${body}`).join(", ")} } });`,
  );
  return file;
}

const createTopic = (name: string, count = partitions) => admin.createTopics([{ name, partitions: count }]);

async function send(topic: string, from: number, to: number): Promise<void> {
  await Promise.all(
    Array.from({ length: to - from }, (_, i) => {
      const seq = from + i;
      return producer.send(topic, null, Buffer.from(`id-${seq % 20}`), Buffer.from(JSON.stringify({ seq })));
    }),
  );
}

/** Per partition, in order, as a read_committed reader finds it. */
async function read(topic: string): Promise<{ seq: number; version: number }[][]> {
  const ends = await admin.endOffsets(topic);
  const reader = await createPlainReader({ bootstrap: dev.bootstrap });
  const found: { seq: number; version: number }[][] = ends.map(() => []);
  const positions = ends.map(() => 0);
  for (const partition of ends.keys()) reader.assign({ topic, partition }, 0);
  while (ends.some((end, partition) => (positions[partition] as number) < end)) {
    await reader.wait(100);
    for (const partition of ends.keys()) {
      const columns = reader.take({ topic, partition });
      if (columns === undefined) continue;
      positions[partition] = columns.nextOffset;
      for (let i = 0; i < columns.count; i++) {
        const start = columns.valueStarts[i] as number;
        found[partition]?.push(JSON.parse(columns.bytes.toString("utf8", start, start + (columns.valueLengths[i] as number))));
      }
    }
  }
  await reader.close();
  return found;
}

async function refusal(doing: Promise<unknown>): Promise<{ code: string; message: string; details: object }> {
  const error = await doing.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  if (RepriseError.is(error)) return { code: error.code, message: error.message, details: error.details };
  throw new Error(`it was not refused: ${String(error)}`);
}

async function deploymentOf(id: string): Promise<DeploymentStatus> {
  const found = (await dev.client.status()).deployments.find((one) => one.id === id);
  if (found === undefined) throw new Error(`there is no ${id}`);
  return found;
}

const reaches = (id: string, state: DeploymentStatus["state"]): Promise<DeploymentStatus> =>
  until(`${id} to be ${state}`, patienceMs, async () => {
    const found = await deploymentOf(id);
    return found.state === state ? found : undefined;
  });

const received = (topic: string, count: number) =>
  until(`${count} records on ${topic}`, patienceMs, async () => {
    const found = await read(topic);
    return found.flat().length >= count ? found : undefined;
  });

describe("a deployment is refused", () => {
  test("when an input topic is missing, which is named; when it is there, the same file is taken", async () => {
    const file = fileOf({ name: orphan });
    expect(await refusal(dev.deploy(file))).toMatchObject({
      code: "TOPIC_MISSING",
      message: expect.stringContaining(`'${orphan}-in'`) as string,
    });
    expect((await dev.client.status()).deployments.map(({ id }) => id)).not.toContain(`${orphan}.v1.1`);
    // The version was not used up: its code may still change.
    await createTopic(`${orphan}-in`);
    fileOf({ name: orphan, handler: "() {}" });
    expect(await dev.deploy(file)).toBe(`${orphan}.v1.1`);
  });

  test("when its inputs have different partition counts, which are named", async () => {
    await createTopic(`${uneven}-2`, 2);
    await createTopic(`${uneven}-3`, 3);
    const { code, message } = await refusal(dev.deploy(fileOf({ name: uneven, inputs: [`${uneven}-2`, `${uneven}-3`] })));
    expect(code).toBe("PARTITIONS_DIFFER");
    expect(message).toContain(`'${uneven}-2' has 2, '${uneven}-3' has 3`);
  });

  test("when the version was deployed with other code; what runs goes on, and the next version is taken", async () => {
    await createTopic(`${frozen}-in`);
    const file = fileOf({ name: frozen });
    const id = await dev.deploy(file);
    await reaches(id, "Serving");
    await send(`${frozen}-in`, 0, 20);
    await received(`${frozen}-out`, 20);

    fileOf({ name: frozen, handler: "({ seq }, ctx) { ctx.out.echo.emit({ seq: -seq, version: 1 }); }" });
    const here = await refusal(dev.deploy(file));
    expect(here).toMatchObject({ code: "VERSION_FROZEN", message: expect.stringContaining(`Version 1 of '${frozen}'`) as string });
    // Also from a machine that never saw the first one: the control log knows its hash.
    const elsewhere = await refusal(deployFile(file, { client: dev.client, artifactFolder: join(folder, "elsewhere") }));
    expect(elsewhere).toMatchObject({ code: "VERSION_FROZEN", message: expect.stringContaining(id) as string });
    expect(readdirSync(join(folder, "elsewhere", `${frozen}@1`))).toEqual([]);

    await send(`${frozen}-in`, 20, 40);
    const outputs = await received(`${frozen}-out`, 40);
    const seqs = outputs.flat().map(({ seq }) => seq);
    expect(seqs.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, seq) => seq));
    expect(await dev.deploy(fileOf({ name: frozen, version: 2 }))).toBe(`${frozen}.v2.1`);
  });
});

describe("a cutover", () => {
  test("is refused before the new version has caught up; forced by name it works, without a gap or a duplicate", async () => {
    await createTopic(`${early}-in`);
    const v1 = await dev.deploy(fileOf({ name: early }));
    await send(`${early}-in`, 0, 1_000);
    await reaches(v1, "Serving");
    await received(`${early}-out`, 1_000);
    const v2 = await dev.deploy(fileOf({ name: early, version: 2 }));
    await reaches(v2, "Replaying");

    const refused = await refusal(dev.client.cutover(early, { to: v2 }));
    expect(refused).toMatchObject({ code: "NOT_CAUGHT_UP", message: expect.stringContaining(`${v2} has not caught up`) as string });
    expect(await refusal(dev.client.cutover(early, { to: v2, force: ["everything"] }))).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringMatching(/no check named 'everything' .*not-caught-up/) as string,
    });
    // A refused command leaves nothing behind.
    const before = (await dev.client.status()).processors.find(({ name }) => name === early);
    expect(before).toMatchObject({ serving: v1, publisher: v1 });
    expect(before?.pending).toBeUndefined();

    const sending = send(`${early}-in`, 1_000, 2_000);
    await dev.client.cutover(early, { to: v2, force: ["not-caught-up"] });
    await reaches(v2, "Serving");
    await sending;
    await send(`${early}-in`, 2_000, 2_200);
    const outputs = await received(`${early}-out`, 2_200);
    const seqs = outputs.flat().map(({ seq }) => seq);
    expect(seqs.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 2_200 }, (_, seq) => seq));
    for (const records of outputs) {
      const versions = records.map(({ version }) => version);
      // One seam per partition: nothing of the old version comes after the new one's first.
      expect(versions).toEqual(versions.toSorted((a, b) => a - b));
      expect(new Set(versions)).toEqual(new Set([1, 2]));
    }
    const after = (await dev.client.status()).processors.find(({ name }) => name === early);
    expect(after).toMatchObject({ serving: v2, publisher: v2, lastCutover: { forced: ["not-caught-up"] } });
  });
});

describe("a handler that returns a promise", () => {
  test("shows in the status, with the handler and the record, and nothing of it is published", async () => {
    await createTopic(`${promising}-in`);
    const handler = "({ seq }, ctx) { ctx.out.echo.emit({ seq, version: 1 }); if (seq === 3) return Promise.resolve(); }";
    const id = await dev.deploy(fileOf({ name: promising, handler, extension: "mjs" }));
    for (let seq = 0; seq < 6; seq++) await producer.send(`${promising}-in`, 1, Buffer.from("a"), Buffer.from(JSON.stringify({ seq })));
    const { reason } = await reaches(id, "Failed");
    expect(reason).toMatch(
      new RegExp(`^ASYNC_HANDLER: task 1: ${promising} v1: record ${promising}-in-1@3 failed in on\\.in0: .*returned a promise`),
    );
    const outputs = await received(`${promising}-out`, 3);
    expect(outputs.flat().map(({ seq }) => seq)).toEqual([0, 1, 2]);
    expect((await read(deadLetterTopicOf(promising))).flat()).toEqual([]);
  });
});

describe("the command line", () => {
  const reprise = (...args: string[]): Promise<{ status: number; out: string; err: string }> =>
    new Promise((resolve) => {
      execFile(
        process.execPath,
        ["packages/cli/bin/reprise.mjs", ...args],
        { cwd: join(import.meta.dirname, "../..") },
        (error, out, err) => {
          resolve({ status: error === null ? 0 : Number(error.code), out, err });
        },
      );
    });

  test("ends with 1 and says code, what is wrong and what to do, for people and as JSON", async () => {
    const file = fileOf({ name: missing });
    const flags = ["--controller", dev.controllerUrl, "--artifacts", join(folder, "cli-artifacts")];
    const forPeople = await reprise("deploy", file, ...flags);
    expect(forPeople).toMatchObject({ status: 1, out: "" });
    expect(forPeople.err).toBe(
      `TOPIC_MISSING: The input topic '${missing}-in' of '${missing}' does not exist.\n  → Create it, or correct its name in the declaration.\n`,
    );
    const asJson = await reprise("deploy", file, ...flags, "--json");
    expect(asJson).toMatchObject({ status: 1, err: "" });
    expect(JSON.parse(asJson.out)).toMatchObject({
      error: { code: "TOPIC_MISSING", details: { topic: `${missing}-in`, processor: missing } },
    });
  });

  test("names the address of a controller that does not answer", async () => {
    const { status, err } = await reprise("status", "--controller", "http://127.0.0.1:9");
    expect(status).toBe(1);
    expect(err).toMatch(/^CONTROLLER_UNREACHABLE: .*http:\/\/127\.0\.0\.1:9/);
  });
});
