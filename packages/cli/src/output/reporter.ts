import { errorTable, RepriseError } from "@reprise/schema";
import type { Terminal } from "./terminal.ts";

/** Without a terminal nobody wants to scroll through bars. */
const plainIntervalMs = 2_000;

/**
 * What a command says. People get lines and, on a terminal, lines that are drawn over; with `--json` everything but the result goes
 * nowhere, and the result is one line of JSON on standard output, last.
 */
export class Reporter {
  readonly json: boolean;
  readonly #terminal: Terminal;
  #drawn = 0;
  #plainAtMs = 0;
  #plainText = "";

  constructor(terminal: Terminal, json: boolean) {
    this.#terminal = terminal;
    this.json = json;
  }

  /** A line for people. */
  line(text: string): void {
    if (this.json) return;
    this.#erase();
    this.#terminal.out(`${text}\n`);
  }

  /** Lines that replace those of the last call; without a terminal they are printed when they changed, every 2 s at most. */
  draw(lines: readonly string[]): void {
    if (this.json) return;
    if (this.#terminal.isTty) {
      this.#erase();
      this.#terminal.out(lines.map((line) => `${line}\n`).join(""));
      this.#drawn = lines.length;
      return;
    }
    const text = lines.join("\n");
    if (text === this.#plainText || Date.now() - this.#plainAtMs < plainIntervalMs) return;
    this.#plainAtMs = Date.now();
    this.#plainText = text;
    this.#terminal.out(`${text}\n`);
  }

  /** What was drawn last stays. */
  settle(): void {
    this.#drawn = 0;
  }

  /** The end of a command that succeeded. */
  result(value: object, text: string): void {
    if (this.json) this.#terminal.out(`${JSON.stringify(value)}\n`);
    else if (text !== "") this.line(text);
  }

  /** What is worth a look, and no reason to stop: to standard error, since results are read by programs. */
  warning(text: string): void {
    if (this.json) return;
    this.#erase();
    this.#terminal.err(`warning: ${text}\n`);
  }

  /** The end of a command that failed. */
  failure(error: unknown): void {
    this.settle();
    const { code, message, action, details } = failureOf(error);
    if (this.json) this.#terminal.out(`${JSON.stringify({ error: { code, message, action, details } })}\n`);
    else this.#terminal.err(`${code}: ${message}\n${action === "" ? "" : `  → ${action}\n`}`);
  }

  #erase(): void {
    if (this.#drawn > 0) this.#terminal.out(`\u001b[${this.#drawn}A\u001b[0J`);
    this.#drawn = 0;
  }
}

function failureOf(error: unknown): { code: string; message: string; action: string; details: object } {
  if (RepriseError.is(error)) return { code: error.code, message: error.message, action: error.action, details: error.details };
  if (error instanceof UsageError)
    return { code: "INVALID_ARGUMENT", message: error.message, action: errorTable.INVALID_ARGUMENT.action, details: {} };
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: "INTERNAL", message, action: "This is a mistake of Reprise: please report it.", details: {} };
}

/** The command line itself is wrong: exit status 2. */
export class UsageError extends Error {}

/** What was asked is answered, and the answer is no: exit status 1, with nothing more to say. */
export class AnsweredNo extends Error {}
