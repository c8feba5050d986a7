import { Readable } from "node:stream";
import {
  type CommittedRows,
  type CompiledProcessor,
  committedRows,
  type RunningTask,
  selectionOf,
  shownRow,
  shownRowJson,
  type StateQuery,
} from "@reprise/engine";

/**
 * The committed rows of a task as lines of JSON: first where they stand, then the rows, and last how many there were. Without the last line they are
 * not complete: the task was given away meanwhile.
 */
export function stateLines(processor: CompiledProcessor, { task, store }: RunningTask, query: StateQuery): Readable {
  return Readable.from(lines(processor, committedRows(task, store, selectionOf(processor, query))));
}

async function* lines(processor: CompiledProcessor, { meta, rows }: CommittedRows): AsyncGenerator<string> {
  const { deployment, partition: task, mode, n, position, digest } = meta;
  yield `${JSON.stringify({ deployment, task, mode, n, position, digest })}\n`;
  let count = 0;
  for await (const chunk of rows) {
    count += chunk.length;
    yield chunk.map((row) => `${shownRowJson(shownRow(processor, row))}\n`).join("");
  }
  yield `${JSON.stringify({ rows: count })}\n`;
}
