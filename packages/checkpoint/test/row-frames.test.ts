import { expect, it } from "vitest";
import { encodeRows, FrameDecoder } from "../src/internal/row-frames.ts";

const rows = Array.from({ length: 50 }, (_, at) => ({ key: Buffer.from(`key-${at}`), value: Buffer.alloc(at * 7, at) }));

it("Rows come back whole, wherever the bytes are cut", () => {
  const frames = encodeRows(rows);
  for (const size of [1, 2, 7, 8, 9, 64, 1_000, frames.length]) {
    const decoder = new FrameDecoder(frames.length);
    const decoded = [];
    for (let at = 0; at < frames.length; at += size) decoded.push(...(decoder.push(frames.subarray(at, at + size)) ?? []));
    expect(decoded.map(({ key, value }) => [key.toString(), value.length])).toEqual(
      rows.map(({ key, value }) => [key.toString(), value.length]),
    );
    expect(decoder.pendingBytes).toBe(0);
  }
});

it("A frame that claims more than the file has is refused before it is waited for", () => {
  const frames = encodeRows(rows);
  frames.writeUInt32LE(0xffff_ffff, 4);
  expect(new FrameDecoder(frames.length).push(frames.subarray(0, 100))).toBeUndefined();
});

it("What is missing of the last row is known", () => {
  const frames = encodeRows(rows);
  const decoder = new FrameDecoder(frames.length);
  decoder.push(frames.subarray(0, frames.length - 1));
  expect(decoder.pendingBytes).toBeGreaterThan(0);
});
