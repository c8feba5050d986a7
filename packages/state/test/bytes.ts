import type { StateStore, StoredRow, KeyRange } from "@reprise/engine";

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : new TextDecoder().decode(value);

/** `key=value` per row. */
export function rowTexts(rows: Iterable<StoredRow>): string[] {
  return Array.from(rows, ({ key, value }) => `${text(key)}=${text(value)}`);
}

export async function scanned(chunks: AsyncIterable<readonly StoredRow[]>): Promise<StoredRow[]> {
  const rows: StoredRow[] = [];
  for await (const chunk of chunks) rows.push(...chunk);
  return rows;
}

export async function count(store: StateStore, range: KeyRange = {}): Promise<number> {
  return (await scanned(store.scan(range))).length;
}
