// Writes checkpoints n = 1, 2, ... of one task for ever, and tells each one that was acknowledged. Every third one is whole; the others change every
// second row of the first thousand. The parent kills it.
import { localCheckpointStore } from "@reprise/checkpoint";
import { keyOf } from "../support.ts";

const [, , folder, first] = process.argv as [string, string, string, string];
const store = localCheckpointStore({ folder });
const task = { deployment: "d", partition: 0 };

async function* rows(n: number, ats: readonly number[]) {
  for (let from = 0; from < ats.length; from += 1_000) {
    yield ats.slice(from, from + 1_000).map((at) => ({ key: keyOf(at), value: Buffer.from(`${n} `.repeat(150)) }));
    if (from >= ats.length / 2 && from < ats.length / 2 + 1_000) process.stdout.write(`half ${n}\n`);
    await new Promise(setImmediate);
  }
  if (ats.length < 20_000) process.stdout.write(`half ${n}\n`);
}

const all = Array.from({ length: 20_000 }, (_, at) => at);
const some = all.filter((at) => at < 1_000 && at % 2 === 0);
for (let n = Number(first); ; n += 1) {
  const [newest] = await store.list(task);
  const whole = n % 3 === 1 || newest === undefined;
  await (whole ? store.write(task, n, `{"n":${n}}`, rows(n, all)) : store.extend(newest, n, `{"n":${n}}`, rows(n, some)));
  process.stdout.write(`done ${n}\n`);
}
