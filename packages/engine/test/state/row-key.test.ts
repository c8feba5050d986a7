import { expect, test } from "vitest";
import { RowBuffer, decodeRows } from "../../src/state/row-buffer.ts";
import { parseRowKey, prefixRange, rowKey, rowPrefix, slotRange, successor } from "../../src/state/row-key.ts";
import { Random } from "../support/random.ts";

const random = new Random(11);
const keys = Array.from({ length: 200 }, () => ({
  slot: random.below(200),
  key: random.bytes(random.pick([0, 1, 2, 5, 127, 128, 300, 20_000])),
  subkey: random.bytes(random.pick([0, 0, 1, 8, 40])),
}));

test("a row key gives its parts back", () => {
  for (const { slot, key, subkey } of keys) {
    const parsed = parseRowKey(rowKey(slot, key, subkey));
    expect(parsed.slot).toBe(slot);
    expect(parsed.key.equals(key)).toBe(true);
    expect(parsed.subkey.equals(subkey)).toBe(true);
  }
});

test("the rows of a key, and no others, lie in its range", () => {
  for (const a of keys) {
    const { from, to } = prefixRange(rowPrefix(a.slot, a.key));
    for (const b of keys) {
      const row = rowKey(b.slot, b.key, b.subkey);
      const inside = row.compare(from) >= 0 && (to === undefined || row.compare(to) < 0);
      expect(inside).toBe(a.slot === b.slot && a.key.equals(b.key));
    }
  }
});

test("the rows of a slot, and no others, lie in its range; the task's own row lies in none", () => {
  for (const a of keys) {
    const { from, to } = slotRange(a.slot);
    for (const b of keys) {
      const row = rowKey(b.slot, b.key, b.subkey);
      expect(row.compare(from) >= 0 && row.compare(to) < 0).toBe(a.slot === b.slot);
    }
    expect(Buffer.from([0]).compare(from)).toBeLessThan(0);
  }
});

test("rows of one key are ordered by subkey", () => {
  const key = Buffer.from("key");
  const subkeys = Array.from({ length: 100 }, () => random.bytes(random.below(5)));
  const bySubkey = [...subkeys].sort((a, b) => a.compare(b)).map((s) => rowKey(3, key, s).toString("hex"));
  const byRow = subkeys.map((s) => rowKey(3, key, s)).sort((a, b) => a.compare(b));
  expect(byRow.map((r) => r.toString("hex"))).toEqual(bySubkey);
});

test("a successor is above everything that begins with the prefix, and nothing lies between", () => {
  expect(successor(Buffer.from([1, 2]))).toEqual(Buffer.from([1, 3]));
  expect(successor(Buffer.from([1, 255, 255]))).toEqual(Buffer.from([2]));
  expect(successor(Buffer.from([255, 255]))).toBeUndefined();
});

test("a row buffer writes the keys of row keys, and its rows come back", () => {
  const buffer = new RowBuffer(16);
  for (const [i, { slot, key, subkey }] of keys.entries()) {
    buffer.beginRow(slot, key, subkey.length === 0 ? undefined : subkey);
    buffer.endRow(i % 3 === 0 ? null : random.bytes(i));
  }
  const rows = [...decodeRows(buffer.bytes.subarray(0, buffer.length))];
  expect(rows).toHaveLength(keys.length);
  for (const [i, { slot, key, subkey }] of keys.entries()) {
    expect(rows[i]?.key.equals(rowKey(slot, key, subkey))).toBe(true);
    expect(rows[i]?.value?.length ?? "deleted").toBe(i % 3 === 0 ? "deleted" : i);
  }
});

test("rows that are cut short are refused, wherever they are cut", () => {
  const buffer = new RowBuffer();
  buffer.beginRow(1, Buffer.from("key"), Buffer.from("sub"));
  buffer.endRow(Buffer.from("value"));
  for (let length = 1; length < buffer.length; length++)
    expect(() => [...decodeRows(buffer.bytes.subarray(0, length))]).toThrow(RangeError);
});

test("a damaged row key does not hang who reads it", () => {
  expect(parseRowKey(Buffer.from([1, 255, 255])).slot).toBe(0);
});
