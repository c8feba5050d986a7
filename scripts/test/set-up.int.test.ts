import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";

const repository = fileURLToPath(new URL("../..", import.meta.url));
let folder: string;

// A copy, because the set-up works on the folder that its scripts are in.
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "reprise-set-up-test-"));
  mkdirSync(join(folder, "packages", "kafka"), { recursive: true });
  cpSync(join(repository, "scripts", "set-up"), join(folder, "scripts", "set-up"), { recursive: true });
  cpSync(join(repository, "scripts", "setup.mjs"), join(folder, "scripts", "setup.mjs"));
  cpSync(join(repository, "packages", "kafka", "kafka-jars.pom.xml"), join(folder, "packages", "kafka", "kafka-jars.pom.xml"));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Runs a module's text in the copy, and says how it ended. */
async function node(
  code: string,
  environment: Record<string, string> = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, ["--input-type=module", "-e", code], {
    cwd: folder,
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const exit = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code: exit, stdout, stderr };
}

const steps = () => JSON.stringify(join(folder, "scripts", "set-up", "steps.mjs"));

test("a command that takes too long is ended with what it started, and its log is named with its last lines", async () => {
  const { stdout } = await node(`
    import { run } from ${steps()};
    await run("slow", ["sh", "-c", "echo before the wait; sleep 60 & echo $!; wait"], { timeoutMs: 300 }).catch((error) => console.log(error.message));`);
  expect(stdout).toContain("did not finish within 0.3 s");
  expect(stdout).toContain(join(folder, ".reprise", "set-up", "slow.log"));
  expect(stdout).toContain("before the wait");
  const sleeper = Number(/^\d+$/m.exec(readFileSync(join(folder, ".reprise", "set-up", "slow.log"), "utf8"))?.[0]);
  expect(sleeper).toBeGreaterThan(1);
  const state = existsSync(`/proc/${sleeper}/stat`) ? readFileSync(`/proc/${sleeper}/stat`, "utf8").split(" ")[2] : "gone";
  expect(["gone", "Z", "X"]).toContain(state);
});

test("set-ups in one folder work one after the other, and a lock whose owner died is taken", async () => {
  writeFileSync(join(folder, ".reprise", "set-up", "lock"), "999999999");
  const log = join(folder, "order.txt");
  const names = ["a", "b", "c", "d"];
  const worker = (name: string): Promise<unknown> =>
    node(`
      import { appendFileSync } from "node:fs";
      import { withLock } from ${JSON.stringify(join(folder, "scripts", "set-up", "lock.mjs"))};
      await withLock({ print: () => undefined }, async () => {
        appendFileSync(${JSON.stringify(log)}, "${name} in\\n");
        await new Promise((resolve) => setTimeout(resolve, 300));
        appendFileSync(${JSON.stringify(log)}, "${name} out\\n");
      });`);
  await Promise.all(names.map(worker));
  const order = readFileSync(log, "utf8").trimEnd().split("\n");
  expect(order).toHaveLength(8);
  for (let i = 0; i < order.length; i += 2) expect(order[i + 1]).toBe(order[i]?.replace(" in", " out"));
  expect(existsSync(join(folder, ".reprise", "set-up", "lock"))).toBe(false);
});

test("a Node that is too old is told so in one line", async () => {
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module", engines: { node: ">=99.1.0" } }));
  const { stderr, code } = await node(
    `process.argv[1] = ${JSON.stringify(join(folder, "scripts", "setup.mjs"))}; await import(process.argv[1]);`,
  );
  expect(stderr.trim()).toBe(`Node 99.1.0 or newer is needed; this is ${process.versions.node}.`);
  expect(code).toBe(1);
});

test("without Java, Maven and Docker, and without the right to install, the message says exactly what to install", async () => {
  const empty = join(folder, "empty");
  mkdirSync(empty);
  const { stdout } = await node(
    `
    process.getuid = () => 1000;
    const { brokerReady, fetchBroker } = await import(${JSON.stringify(join(folder, "scripts", "set-up", "kafka-broker.mjs"))});
    console.log(brokerReady());
    await fetchBroker().catch((error) => console.log(error.message));`,
    { PATH: empty, JAVA_HOME: "", REPRISE_BOOTSTRAP: "", REPRISE_KAFKA_JARS: "" },
  );
  expect(stdout).toMatch(/^undefined\nKafka needs Java 17 or newer, and Maven to fetch it/);
  expect(stdout).toMatch(/openjdk-17-jre-headless maven|Install: Java 17 or newer, and Maven/);
});

test("an existing cluster needs no Kafka here", async () => {
  const { stdout } = await node(
    `
    const { brokerReady } = await import(${JSON.stringify(join(folder, "scripts", "set-up", "kafka-broker.mjs"))});
    console.log(brokerReady());`,
    { REPRISE_BOOTSTRAP: "kafka.example:9092" },
  );
  expect(stdout).toBe("REPRISE_BOOTSTRAP=kafka.example:9092 is used\n");
});
