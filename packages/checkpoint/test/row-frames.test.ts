import type { RowWrite } from "@reprise/engine";
import { expect, it } from "vitest";
import { decodeRows, encodeRows, frameBytes } from "../src/internal/row-frames.ts";

const rows: RowWrite[] = Array.from({ length: 50 }, (_, at) => ({
  key: Buffer.from(`key-${at}`),
  value: at % 7 === 3 ? null : Buffer.alloc(at * 7, at),
}));
const frames = encodeRows(
  rows,
  rows.reduce((sum, row) => sum + frameBytes(row), 0),
);

it("Rows come back whole, deletions as such", () => {
  expect(decodeRows(frames)?.map(({ key, value }) => [Buffer.from(key).toString(), value === null ? null : value.length])).toEqual(
    rows.map(({ key, value }) => [Buffer.from(key).toString(), value === null ? null : value.length]),
  );
  expect(decodeRows(Buffer.alloc(0))).toEqual([]);
});

it("Bytes that end within a row are no rows", () => {
  const ends = new Set<number>();
  let end = 0;
  for (const row of rows) ends.add((end += frameBytes(row)));
  for (let length = 1; length < frames.length; length += 1)
    expect(decodeRows(frames.subarray(0, length)) !== undefined).toBe(ends.has(length));
});
