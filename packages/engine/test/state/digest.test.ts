import { describe, expect, test } from "vitest";
import { addDigest, digestFromHex, digestToHex, hash128, hashResult, subtractDigest } from "../../src/state/digest.ts";
import { Random } from "../support/random.ts";

/** The 16 bytes of a hash as the reference implementation writes them: four little-endian words. */
function hashBytes(bytes: Buffer, seed: number): Buffer {
  hash128(bytes, 0, bytes.length, seed);
  const out = Buffer.alloc(16);
  for (let i = 0; i < 4; i++) out.writeUInt32LE(hashResult[i] as number, i * 4);
  return out;
}

describe("hash128", () => {
  test("has the verification value of SMHasher for MurmurHash3 x86 128", () => {
    // Keys {0}, {0, 1}, … with seeds 256 − length; then the hash of all hashes. Covers every tail length.
    const key = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    const hashes = Buffer.concat(Array.from({ length: 256 }, (_, i) => hashBytes(key.subarray(0, i), 256 - i)));
    expect(hashBytes(hashes, 0).readUInt32LE(0)).toBe(0xb3ece62a);
  });

  test("hashes a span like a buffer of its own", () => {
    const random = new Random(1);
    for (let length = 0; length < 40; length++) {
      const around = random.bytes(length + 9);
      const own = hashBytes(Buffer.from(around.subarray(4, 4 + length)), 7).toString("hex");
      hash128(around, 4, 4 + length, 7);
      expect(Array.from(hashResult, (w) => Buffer.from(new Uint32Array([w]).buffer).toString("hex")).join("")).toBe(own);
    }
  });
});

describe("128-bit sums", () => {
  const big = (d: Uint32Array): bigint => BigInt(`0x${digestToHex(d)}`);

  test("add and subtract modulo 2^128", () => {
    const random = new Random(2);
    const sum = new Uint32Array(4);
    let expected = 0n;
    for (let i = 0; i < 500; i++) {
      const bytes = random.chance(0.2) ? Buffer.alloc(16, 0xff) : random.bytes(16);
      const value = new Uint32Array([bytes.readUInt32LE(0), bytes.readUInt32LE(4), bytes.readUInt32LE(8), bytes.readUInt32LE(12)]);
      if (random.chance(0.5)) {
        addDigest(sum, value);
        expected = BigInt.asUintN(128, expected + big(value));
      } else {
        subtractDigest(sum, value);
        expected = BigInt.asUintN(128, expected - big(value));
      }
      expect(big(sum)).toBe(expected);
    }
  });

  test("survive their hex form", () => {
    for (const hex of ["0".repeat(32), "f".repeat(32), "0123456789abcdef0011223344556677"])
      expect(digestToHex(digestFromHex(hex))).toBe(hex);
  });
});
