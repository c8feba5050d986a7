import type { RowWrite } from "@reprise/engine";
import { frameBytes } from "./row-frames.ts";

/** Changes that are sorted at once: some tens of milliseconds in which nothing else runs. More become several runs. */
const mostBytes = 8 << 20;

/** Changes in the order in which they were made → sorted runs in which each key is once, oldest first. */
export async function* changeRuns(changes: AsyncIterable<readonly RowWrite[]>): AsyncGenerator<RowWrite[]> {
  let latest = new Map<string, RowWrite>();
  let bytes = 0;
  for await (const chunk of changes) {
    for (const row of chunk) {
      const name = Buffer.from(row.key.buffer, row.key.byteOffset, row.key.length).toString("latin1");
      const before = latest.get(name);
      bytes += frameBytes(row) - (before === undefined ? 0 : frameBytes(before));
      latest.set(name, row);
    }
    if (bytes < mostBytes) continue;
    yield sorted(latest);
    latest = new Map();
    bytes = 0;
  }
  if (latest.size > 0) yield sorted(latest);
}

function sorted(rows: ReadonlyMap<string, RowWrite>): RowWrite[] {
  // The order of latin1 strings is that of their bytes, and comparing them is faster.
  return [...rows.keys()].sort().map((name) => rows.get(name) as RowWrite);
}
