import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { RepriseError } from "@reprise/schema";
import { afterEach, expect, test, vi } from "vitest";
import { type EmbeddedBroker, startEmbeddedBroker } from "../../src/broker/embedded-broker.ts";
import { brokerReady } from "../../src/broker/broker-ready.ts";

const runner = fileURLToPath(new URL("../../../../scripts/run-source.mjs", import.meta.url));
const started: EmbeddedBroker[] = [];
const folders: string[] = [];

afterEach(async () => {
  vi.unstubAllEnvs();
  for (const broker of started.splice(0)) await broker.stop();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "reprise-broker-test-"));
  folders.push(folder);
  return folder;
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A zombie whose parent is not ours to reap is dead for our purpose.
    return !/^State:\s+Z/m.test(existsSync(`/proc/${pid}/status`) ? readFileSync(`/proc/${pid}/status`, "utf8") : "");
  } catch {
    return false;
  }
}

test("a kept folder survives kill -9 and serves the same data on the same port", async () => {
  const folder = newFolder();
  const broker = await startEmbeddedBroker({ folder });
  started.push(broker);
  const { bootstrap } = broker;
  const id = readFileSync(join(folder, "data", "meta.properties"), "utf8").match(/cluster.id=(.*)/)?.[1];
  await broker.kill("SIGKILL");
  expect(alive(broker.pid)).toBe(false);
  await broker.restart();
  expect(broker.bootstrap).toBe(bootstrap);
  expect(readFileSync(join(folder, "data", "meta.properties"), "utf8")).toContain(`cluster.id=${id}`);
  await expect(brokerReady(bootstrap, 1_000, () => false)).resolves.toBe(true);

  await expect(startEmbeddedBroker({ folder })).rejects.toMatchObject({ code: "BROKER_START_FAILED", details: { bootstrap } });
  await broker.stop();
  expect(alive(broker.pid)).toBe(false);
  expect(existsSync(join(folder, "broker.json"))).toBe(false);
  expect(existsSync(join(folder, "data"))).toBe(true);
});

test("the broker and its temporary folder are gone when the process that started it is killed with -9", async () => {
  const script = fileURLToPath(new URL("../support/own-a-broker.ts", import.meta.url));
  const parent = spawn(process.execPath, [runner, script], { stdio: ["ignore", "pipe", "inherit"] });
  const line = await new Promise<string>((resolve, reject) => {
    parent.stdout.once("data", (data: Buffer) => resolve(data.toString()));
    parent.once("exit", () => reject(new Error("The process ended before its broker was ready.")));
  });
  const { pid, folder } = JSON.parse(line) as { pid: number; folder: string };
  expect(alive(pid)).toBe(true);
  parent.kill("SIGKILL");
  await vi.waitFor(
    () => {
      expect(alive(pid)).toBe(false);
      expect(existsSync(folder)).toBe(false);
    },
    { timeout: 20_000, interval: 50 },
  );
});

test("a folder whose last owner is dead is taken over", async () => {
  const folder = newFolder();
  writeFileSync(join(folder, "broker.json"), JSON.stringify({ pid: process.pid, bootstrap: "127.0.0.1:1" }));
  const broker = await startEmbeddedBroker({ folder });
  started.push(broker);
  expect(JSON.parse(readFileSync(join(folder, "broker.json"), "utf8"))).toEqual({ pid: broker.pid, bootstrap: broker.bootstrap });
});

test("a port that is taken is an error that names the log file and shows its last lines", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const folder = newFolder();
  try {
    const error: unknown = await startEmbeddedBroker({ folder, port }).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (!RepriseError.is(error)) throw new Error(`Not a RepriseError: ${String(error)}`);
    expect(error.code).toBe("BROKER_START_FAILED");
    expect(error.message).toContain(join(folder, "broker.log"));
    expect(error.message).toMatch(/Address already in use/);
  } finally {
    server.close();
  }
});

test("without Java and without Docker the error says what to install", async () => {
  const empty = newFolder();
  vi.stubEnv("PATH", empty);
  vi.stubEnv("JAVA_HOME", "");
  await expect(startEmbeddedBroker()).rejects.toMatchObject({ code: "JAVA_MISSING" });
});

test("a Java that is too old counts as none", async () => {
  const folder = newFolder();
  const java = join(folder, "java");
  writeFileSync(java, "#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n", { mode: 0o755 });
  vi.stubEnv("PATH", `${folder}:/bin`);
  await expect(startEmbeddedBroker({ javaPath: java })).rejects.toMatchObject({
    code: "JAVA_MISSING",
    message: expect.stringContaining(java) as string,
  });
});

test("a folder without Kafka's jars is named in the error", async () => {
  const empty = newFolder();
  mkdirSync(join(empty, "libs"));
  await expect(startEmbeddedBroker({ jarsFolder: join(empty, "libs") })).rejects.toMatchObject({
    code: "BROKER_START_FAILED",
    message: expect.stringContaining(join(empty, "libs")) as string,
  });
});
