// Writes checkpoints n = 1, 2, ... of one task for ever, and tells each one that was acknowledged; with "pause" it stops in the middle
// of the first. The parent kills it.
import { localCheckpointStore } from "@reprise/checkpoint";

const [, , folder, first, pause] = process.argv as [string, string, string, string, string | undefined];
const store = localCheckpointStore({ folder });
const task = { deployment: "d", partition: 0 };

async function* rows(n: number): AsyncGenerator<{ key: Uint8Array; value: Uint8Array }[]> {
  for (let chunk = 0; chunk < 20; chunk += 1) {
    yield Array.from({ length: 100 }, (_, at) => ({ key: Buffer.from(`${chunk}-${at}`), value: Buffer.from(`${n}`.repeat(50)) }));
    if (chunk === 10) process.stdout.write(`half ${n}\n`);
    if (chunk === 10 && pause === "pause") await new Promise((resolve) => setTimeout(resolve, 600_000));
    await new Promise(setImmediate);
  }
}

for (let n = Number(first); ; n += 1) {
  await store.write(task, n, `{"n":${n}}`, rows(n));
  process.stdout.write(`done ${n}\n`);
}
