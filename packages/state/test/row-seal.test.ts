import { describe, expect, it } from "vitest";
import { seal, unseal } from "../src/internal/row-seal.ts";
import { bytes } from "./bytes.ts";

describe("the checksum of a row", () => {
  const corrupt = expect.objectContaining({ code: "STATE_CORRUPT", message: expect.stringContaining("/state/3") as string });

  it("gives back what was sealed, also nothing", () => {
    for (const value of ["", "v", "value".repeat(1_000)])
      expect(Buffer.from(unseal(bytes("k"), seal(bytes("k"), bytes(value)), "")).toString()).toBe(value);
  });

  it("notices each flipped bit of key, checksum and value, and a value that is cut short", () => {
    for (const value of ["", "some value"]) {
      const key = Buffer.from("some key");
      const sealed = seal(key, bytes(value));
      for (const part of [key, sealed]) {
        for (let bit = 0; bit < part.length * 8; bit += 1) {
          part[bit >> 3] = (part[bit >> 3] as number) ^ (1 << (bit & 7));
          expect(() => unseal(key, sealed, "/state/3")).toThrow(corrupt);
          part[bit >> 3] = (part[bit >> 3] as number) ^ (1 << (bit & 7));
        }
      }
      for (let length = 0; length < sealed.length; length += 1)
        expect(() => unseal(key, sealed.subarray(0, length), "/state/3")).toThrow(corrupt);
    }
  });

  it("notices a value that moved between key and value, or to another key", () => {
    const sealed = seal(bytes("ab"), bytes("c"));
    const moved = Buffer.concat([sealed.subarray(0, 4), bytes("bc")]);
    expect(() => unseal(bytes("a"), moved, "/state/3")).toThrow(corrupt);
    expect(() => unseal(bytes("ba"), sealed, "/state/3")).toThrow(corrupt);
  });
});
