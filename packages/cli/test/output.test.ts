import type { DeploymentStatus, Status } from "@reprise/controller";
import { RepriseError } from "@reprise/schema";
import { describe, expect, it } from "vitest";
import { bar, formatBytes, formatCount, formatDuration, formatRate, table } from "../src/output/format.ts";
import { Reporter } from "../src/output/reporter.ts";
import { statusLines } from "../src/output/status-text.ts";
import { TestTerminal } from "./support/test-terminal.ts";

describe("numbers for people", () => {
  it.each([
    [0, "0 ms"],
    [950, "950 ms"],
    [1_500, "1.5s"],
    [59_400, "59s"],
    [83_000, "1m 23s"],
    [3_600_000, "1h 0m"],
    [90_000_000, "1d 1h"],
  ])("%d ms is %s", (ms, text) => expect(formatDuration(ms)).toBe(text));

  it.each([
    [0, "0/s"],
    [999, "999/s"],
    [1_500, "1.5k/s"],
    [412_345, "412k/s"],
    [4_200_000, "4.2M/s"],
  ])("%d per second is %s", (rate, text) => expect(formatRate(rate)).toBe(text));

  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1_000, "1.0 kB"],
    [999_600, "1.0 MB"],
    [12_345_678, "12.3 MB"],
    [456_000_000_000, "456 GB"],
    [7e15, "7000 TB"],
  ])("%d bytes are %s", (bytes, text) => expect(formatBytes(bytes)).toBe(text));

  it("bars are as wide as asked for and never full before the end", () => {
    expect(bar(0, 4)).toBe("░░░░");
    expect(bar(0.5, 4)).toBe("██░░");
    expect(bar(1, 4)).toBe("████");
    for (let i = 0; i <= 100; i++) expect(bar(i / 100, 10)).toHaveLength(10);
    expect(formatCount(1234567)).toBe("1,234,567");
  });

  it("columns line up", () => {
    expect(
      table([
        ["a", "1"],
        ["long", "22"],
      ]),
    ).toEqual(["a     1", "long  22"]);
  });
});

describe("what a command says", () => {
  it("is drawn over on a terminal, and stays once it is settled", () => {
    const terminal = new TestTerminal(true);
    const reporter = new Reporter(terminal, false);
    reporter.draw(["one", "two"]);
    reporter.draw(["three"]);
    expect(terminal.stdout).toBe("one\ntwo\n\u001b[2A\u001b[0Jthree\n");
    reporter.settle();
    reporter.line("four");
    expect(terminal.stdout.endsWith("three\nfour\n")).toBe(true);
  });

  it("is bounded without a terminal, and not repeated", () => {
    const terminal = new TestTerminal();
    const reporter = new Reporter(terminal, false);
    for (let i = 0; i < 100; i++) reporter.draw([`${i}`]);
    expect(terminal.stdout).toBe("0\n");
  });

  it("with --json is the result alone", () => {
    const terminal = new TestTerminal(true);
    const reporter = new Reporter(terminal, true);
    reporter.line("hello");
    reporter.draw(["bar"]);
    reporter.result({ a: 1 }, "text");
    expect(terminal.stdout).toBe('{"a":1}\n');
    reporter.failure(new RepriseError("TOPIC_MISSING", "no topic", { details: { topic: "t" } }));
    expect(terminal.json).toMatchObject({ error: { code: "TOPIC_MISSING", details: { topic: "t" } } });
  });
});

describe("the status", () => {
  const deployment = (id: string, state: DeploymentStatus["state"], more: Partial<DeploymentStatus> = {}): DeploymentStatus => ({
    id,
    processor: "p",
    version: 1,
    artifact: "a",
    params: {},
    state,
    createdAtMs: 0,
    changedAtMs: 0,
    inputs: ["in"],
    tasks: 4,
    desiredWorkers: 1,
    workers: [],
    ...more,
  });
  const progress = {
    atMs: 0,
    processedRecords: 750,
    totalRecords: 1_000,
    fraction: 0.75,
    recordsPerSecond: 400_000,
    remainingMs: 83_000,
    lag: { records: 250, ms: null },
    partitions: [],
    live: false,
    steadyMs: 0,
    stabilityMs: 10_000,
  };
  const status = (deployments: DeploymentStatus[]): Status => ({
    revision: 1,
    atMs: 0,
    controller: { url: "", pid: 1, leading: true },
    processors: [{ name: "p", serving: "p.v1.1", publisher: "p.v1.1", intervals: [] }],
    deployments,
  });

  it("tells who publishes, who replays, how fast and for how long", () => {
    const lines = statusLines(status([deployment("p.v1.1", "Serving"), deployment("p.v2.1", "Replaying", { progress })]), { all: false });
    expect(lines[0]).toBe("p · served by p.v1.1");
    expect(lines[1]).toContain("● p.v1.1  Serving");
    expect(lines[2]).toMatch(/○ p\.v2\.1 {2}Replaying .*75\.0% {2}400k\/s {2}250 behind {2}1m 23s left {2}0\/1 worker/);
  });

  it("gives the reason of a failure, and leaves retired ones out unless asked", () => {
    const failed = deployment("p.v2.1", "Failed", { reason: "HANDLER_FAILED: task 0: division by zero" });
    const retired = deployment("p.v0.1", "Retired");
    expect(statusLines(status([failed, retired]), { all: false }).join("\n")).toContain("division by zero");
    expect(statusLines(status([failed, retired]), { all: false }).join("\n")).not.toContain("p.v0.1");
    expect(statusLines(status([failed, retired]), { all: true }).join("\n")).toContain("p.v0.1");
  });

  it("says which tasks get no new checkpoint, since when and why, and how far a restore is", () => {
    const worker = {
      slot: 0,
      url: "http://127.0.0.1:1",
      pid: 1,
      tasks: [],
      failures: [],
      format: 1,
      kind: "worker",
      deployment: "p.v1.1",
      atMs: 0,
      checkpointFailures: [{ partition: 2, code: "CHECKPOINT_FAILED", message: "s3://b/p: ECONNREFUSED", sinceMs: -83_000, failures: 17 }],
      restoring: [{ partition: 3, rows: 250_000, totalRows: 1_000_000, bytes: 16_000_000, totalBytes: 64_000_000 }],
    } as const;
    const shown = status([deployment("p.v1.1", "Serving", { workers: [worker] })]);
    const lines = statusLines({ ...shown, atMs: 0 }, { all: false });
    expect(lines).toContain("    p.v1.1: task 3 restores: 250,000 of 1,000,000 rows, 16.0 MB of 64.0 MB");
    expect(lines).toContain("    p.v1.1: task 2 has no new checkpoint for 1m 23s, 17 tries: CHECKPOINT_FAILED: s3://b/p: ECONNREFUSED");
  });

  it("says per window how much came too late, and of which time, over all workers", () => {
    const worker = (slot: number, records: number, fromMs: number, toMs: number) => ({
      ...({ format: 1, kind: "worker", deployment: "p.v1.1", url: "", pid: 1, tasks: [slot], atMs: 0, failures: [] } as const),
      slot,
      late: [{ window: "hour", how: "drop", records, fromMs, toMs, partitions: [slot] }] as const,
    });
    const [one, other] = [
      worker(0, 1_000, Date.UTC(2024, 0, 2), Date.UTC(2024, 0, 4)),
      worker(1, 203, Date.UTC(2024, 0, 1), Date.UTC(2024, 0, 3)),
    ];
    expect(statusLines(status([deployment("p.v1.1", "Serving", { workers: [one, other] })]), { all: false })).toContain(
      "    p.v1.1: 1,203 late for window hour, dropped: from 2024-01-01T00:00:00.000Z to 2024-01-04T00:00:00.000Z",
    );
  });

  it("never shows 100 % before the last record", () => {
    const almost = deployment("p.v2.1", "Replaying", { progress: { ...progress, fraction: 0.99999 } });
    expect(statusLines(status([almost]), { all: false }).join("\n")).toContain("99.9%");
  });
});
