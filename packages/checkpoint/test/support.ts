import type { RowWrite, StoredRow } from "@reprise/engine";

/** `rows` rows in key order: keys of one length, values of several. */
export async function* chunks(
  rows: number,
  value = (at: number): string => `value of ${at} `.repeat(1 + (at % 5)),
): AsyncGenerator<StoredRow[]> {
  for (let at = 0; at < rows; at += 1_000) {
    yield Array.from({ length: Math.min(1_000, rows - at) }, (_, i) => ({
      key: keyOf(at + i),
      value: Buffer.from(value(at + i)),
    }));
  }
}

export const keyOf = (at: number): Buffer => Buffer.from(`key-${String(at).padStart(8, "0")}`);

export async function* of<R extends RowWrite>(...all: (readonly R[])[]): AsyncGenerator<readonly R[]> {
  yield* all;
}

export async function collect(source: AsyncIterable<readonly StoredRow[]>): Promise<StoredRow[]> {
  const rows: StoredRow[] = [];
  for await (const chunk of source) rows.push(...chunk);
  return rows;
}

export const rowText = ({ key, value }: StoredRow): string => `${Buffer.from(key).toString()}=${Buffer.from(value).toString()}`;

/** What a checkpoint is compared with: rows by key, changed as it is. */
export class Model {
  readonly rows = new Map<string, string>();

  async add(source: AsyncIterable<readonly RowWrite[]>): Promise<void> {
    for await (const chunk of source) this.change(chunk);
  }

  change(changes: readonly RowWrite[]): void {
    for (const { key, value } of changes) {
      const name = Buffer.from(key).toString("latin1");
      if (value === null) this.rows.delete(name);
      else this.rows.set(name, Buffer.from(value).toString("latin1"));
    }
  }

  /** In key order. */
  get texts(): string[] {
    return [...this.rows.keys()].sort().map((name) => `${name}=${this.rows.get(name)}`);
  }
}
