import { describe, expect, it } from "vitest";
import { main } from "../src/main.ts";
import { TestTerminal } from "./support/test-terminal.ts";

async function run(...args: string[]): Promise<{ status: number; terminal: TestTerminal }> {
  const terminal = new TestTerminal();
  return { status: await main(args, terminal), terminal };
}

describe("a command line that is wrong", () => {
  it.each([
    [["frobnicate"], "unknown command 'frobnicate'"],
    [["deploy"], "missing required argument 'file'"],
    [["status", "--wat"], "unknown option '--wat'"],
    [["deploy", "x.ts", "--workers", "none"], "whole number of at least 1"],
    [["deploy", "x.ts", "--workers", "0"], "whole number of at least 1"],
    [["deploy", "x.ts", "--params", "{nope"], "neither JSON nor a file"],
    [["deploy", "x.ts", "--params", "[1]"], "must be a JSON object"],
    [["deploy", "x.ts", "--wait", "forever"], "caught-up"],
    [["worker"], "--deployment"],
    [["send", "topic", "key"], "value"],
    [["dev", "--create-topics", "-1"], "create-topics"],
  ])("%j ends with status 2 and says what is wrong", async (args, part) => {
    const { status, terminal } = await run(...args);
    expect(status).toBe(2);
    expect(terminal.stderr).toContain(part);
    expect(terminal.stderr).toMatch(/^INVALID_ARGUMENT: /);
    expect(terminal.stdout).toBe("");
  });

  it("is told as one line of JSON where that is asked for", async () => {
    const { status, terminal } = await run("deploy", "--json");
    expect(status).toBe(2);
    expect(terminal.json).toMatchObject({ error: { code: "INVALID_ARGUMENT", message: "missing required argument 'file'" } });
    expect(terminal.stderr).toBe("");
  });

  it("shows the help when there is no command, and with --help", async () => {
    const none = await run();
    expect(none.status).toBe(2);
    expect(none.terminal.stderr).toContain("Usage: reprise");
    const asked = await run("cutover", "--help");
    expect(asked.status).toBe(0);
    expect(asked.terminal.stdout).toContain("Usage: reprise cutover [options] <processor>");
  });
});

describe("a command that fails", () => {
  it("ends with status 1, the error's code, what it names and what to do", async () => {
    const { status, terminal } = await run("build", "no/such/file.ts");
    expect(status).toBe(1);
    expect(terminal.stderr).toBe(
      "INVALID_ARGUMENT: There is no file 'no/such/file.ts'.\n  → Correct the argument that the message names.\n",
    );
  });

  it("says as JSON which controller did not answer", async () => {
    // Port 1: nobody listens there.
    const { status, terminal } = await run("status", "--controller", "http://127.0.0.1:1", "--json");
    expect(status).toBe(1);
    expect(terminal.json).toMatchObject({ error: { code: "CONTROLLER_UNREACHABLE", details: { url: "http://127.0.0.1:1" } } });
  });
});
