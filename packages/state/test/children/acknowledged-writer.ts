// Writes batches of ten rows for ever, and tells each one that the store acknowledged. The parent kills it.
import { stateEngineNamed, type StateEngineName } from "@reprise/state";

const [, , name, folder] = process.argv as [string, string, StateEngineName, string];
const store = await stateEngineNamed(name).open(folder);
for (let n = 1; ; n += 1) {
  const rows = Array.from({ length: 10 }, (_, at) => ({ key: Buffer.from(`row-${at}`), value: Buffer.from(`${n}:${"x".repeat(500)}`) }));
  await store.write([...rows, { key: Buffer.from(`batch-${String(n).padStart(8, "0")}`), value: Buffer.from(String(n)) }]);
  await new Promise<void>((done) => process.stdout.write(`${n}\n`, () => done()));
}
