import { expect, test } from "vitest";
import { murmur2, partitionForKey } from "../src/murmur2.ts";

// Printed by org.apache.kafka.common.utils.Utils of kafka-clients 4.1.1: text, murmur2, toPositive(murmur2) % 12.
const fromJava: readonly (readonly [string, number, number])[] = [
  ["", 275646681, 9],
  ["a", -1563381124, 4],
  ["ab", 316155434, 2],
  ["abc", 479470107, 3],
  ["abcd", -1323649548, 8],
  ["abcde", 461995741, 1],
  ["foobar", -790332482, 6],
  ["21", -973932308, 0],
  ["a-little-bit-long-string", -985981536, 8],
  ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971, 5],
  ["Zürich", -1551140815, 1],
  ["日本語", 1431860170, 10],
  ["card-0000001", 2003418927, 3],
];

test.each(fromJava)("'%s' is hashed and placed as Java does", (key, hash, partition) => {
  const bytes = new TextEncoder().encode(key);
  expect(murmur2(bytes)).toBe(hash);
  expect(partitionForKey(bytes, 12)).toBe(partition);
});

test("bytes above 127 are unsigned, as in Java's reference", () => {
  expect(murmur2(Uint8Array.from({ length: 256 }, (_, i) => i))).toBe(-1948347274);
  expect(murmur2(Uint8Array.of(255, 254, 253))).toBe(998637092);
});
