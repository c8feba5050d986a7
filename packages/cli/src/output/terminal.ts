/** Where a command's words go: the process's own streams, or a test's. */
export interface Terminal {
  readonly isTty: boolean;
  out(text: string): void;
  err(text: string): void;
  /** Resolves when whoever reads has taken what was said so far: a pipe holds little, and ending the process drops the rest. */
  taken?(): Promise<void>;
}

export const processTerminal: Terminal = {
  isTty: process.stdout.isTTY === true,
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  taken: () => new Promise((resolve) => process.stdout.write("", () => resolve())),
};
