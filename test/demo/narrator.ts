/** Tells the story: to people on a terminal with a moving progress line, elsewhere in plain lines. */
export interface Narrator {
  heading(text: string): void;
  line(text?: string): void;
  /** `fraction` 0 to 1. On a terminal the line is drawn over; elsewhere it is printed only every few seconds. */
  progress(label: string, fraction: number, detail: string): void;
  /** Columns aligned, first row as its head. */
  table(rows: readonly (readonly string[])[]): void;
}

const barWidth = 28;
const plainEveryMs = 5_000;

export function createNarrator(out: NodeJS.WriteStream): Narrator {
  const terminal = out.isTTY === true;
  const style = (code: number, text: string): string =>
    terminal && process.env.NO_COLOR === undefined ? `\x1b[${code}m${text}\x1b[0m` : text;
  const started = performance.now();
  let open = false;
  let told = Number.NEGATIVE_INFINITY;
  const print = (text: string): void => {
    if (open) out.write("\r\x1b[K");
    open = false;
    told = Number.NEGATIVE_INFINITY;
    out.write(`${text}\n`);
  };
  return {
    heading(text) {
      const seconds = `${((performance.now() - started) / 1000).toFixed(0)} s`;
      print("");
      print(`${style(1, text)}  ${style(2, seconds)}`);
    },
    line(text = "") {
      print(text === "" ? "" : `  ${text}`);
    },
    progress(label, fraction, detail) {
      const part = Math.max(0, Math.min(1, fraction));
      const percent = `${Math.floor(part * 100)} %`.padStart(5);
      if (terminal) {
        const done = Math.round(part * barWidth);
        out.write(`\r\x1b[K  ${label} ${style(36, "█".repeat(done))}${style(2, "░".repeat(barWidth - done))} ${percent}  ${detail}`);
        open = true;
      } else if (performance.now() - told >= plainEveryMs) {
        out.write(`  ${label} ${percent}  ${detail}\n`);
        told = performance.now();
      }
    },
    table(rows) {
      const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
      for (const [index, row] of rows.entries()) {
        const text = row
          .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
          .join("   ");
        print(`  ${index === 0 ? style(2, text) : text}`);
      }
    },
  };
}

/** 3,000,000 */
export const count = (value: number): string => Math.round(value).toLocaleString("en-US");
