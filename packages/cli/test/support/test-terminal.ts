import type { Terminal } from "../../src/output/terminal.ts";

/** Keeps what a command says. */
export class TestTerminal implements Terminal {
  readonly isTty: boolean;
  stdout = "";
  stderr = "";

  constructor(isTty = false) {
    this.isTty = isTty;
  }

  out(text: string): void {
    this.stdout += text;
  }

  err(text: string): void {
    this.stderr += text;
  }

  /** The last line of standard output, as JSON. */
  get json(): unknown {
    return JSON.parse(this.stdout.trimEnd().split("\n").at(-1) ?? "");
  }
}
