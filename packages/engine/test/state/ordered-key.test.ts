import { type Schema, s } from "@reprise/schema";
import { describe, expect, test } from "vitest";
import { decodeNumber, encodeNumber, orderedKeyCodec } from "../../src/state/ordered-key.ts";
import { Random } from "../support/random.ts";

const random = new Random(5);
const edges = [0, 1, -1, 0.5, -0.5, 1e-300, -1e-300, Number.MAX_VALUE, -Number.MAX_VALUE, Number.MIN_VALUE, -Number.MIN_VALUE, 2 ** 53 - 1];
const numbers = [
  ...edges,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  ...Array.from({ length: 300 }, () => (random.next() - 0.5) * 10 ** random.below(18)),
  ...Array.from({ length: 300 }, () => random.bytes(8).readDoubleLE(0)).filter((n) => !Number.isNaN(n)),
];

test("encoded numbers are ordered as numbers and come back", () => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const byBytes = numbers.map(encodeNumber).sort((a, b) => a.compare(b));
  expect(byBytes.map(decodeNumber)).toEqual(sorted);
});

test("minus zero is zero", () => {
  expect(encodeNumber(-0).equals(encodeNumber(0))).toBe(true);
});

const unicode = (): string => {
  let text = "";
  for (let n = random.below(8); n > 0; n--)
    text += String.fromCodePoint(random.pick([0, 0x41, 0x7f, 0x80, 0xff, 0x7ff, 0x800, 0xfffd, 0x1f600, random.below(0xd800)]));
  return text;
};

const cases: readonly [string, Schema<unknown>, () => unknown][] = [
  ["string", s.string as Schema<unknown>, unicode],
  ["int", s.int as Schema<unknown>, () => random.below(2 ** 31) - 2 ** 30],
  ["long", s.long as Schema<unknown>, () => Math.floor((random.next() - 0.5) * 2 ** 52)],
  ["double", s.double as Schema<unknown>, () => random.pick(numbers)],
  ["timestamp", s.timestamp as Schema<unknown>, () => random.below(2 ** 40)],
  ["boolean", s.boolean as Schema<unknown>, () => random.chance(0.5)],
  ["bytes", s.bytes as Schema<unknown>, () => random.bytes(random.below(6))],
  ["oneOf", s.oneOf("Colour", "red", "green") as Schema<unknown>, () => random.pick(["red", "green"])],
  ["record", s.record("Pair", { a: s.string, b: s.long }) as Schema<unknown>, () => ({ a: unicode(), b: random.below(9) })],
];

describe.each(cases)("%s keys", (kind, schema, make) => {
  const codec = orderedKeyCodec(schema, "state.x");
  const values = Array.from({ length: 200 }, make);

  test("come back, and their id is the latin1 of their bytes", () => {
    for (const value of values) {
      const bytes = codec.encode(value);
      expect(codec.id(value)).toBe(bytes.toString("latin1"));
      if (kind === "bytes") expect(Buffer.compare(codec.decode(bytes) as Buffer, value as Buffer)).toBe(0);
      else expect(codec.decode(bytes)).toEqual(value);
    }
  });

  if (kind === "record" || kind === "bytes") return;
  test("are ordered as their values", () => {
    const order = (a: unknown, b: unknown): number =>
      kind === "string" || kind === "oneOf" ? Buffer.from(a as string).compare(Buffer.from(b as string)) : Number(a) - Number(b);
    const byBytes = [...values].sort((a, b) => codec.encode(a).compare(codec.encode(b)));
    const byValue = [...values].sort(order);
    expect(byBytes.map((v) => codec.encode(v).toString("hex"))).toEqual(byValue.map((v) => codec.encode(v).toString("hex")));
  });
});

test.each([
  ["string", s.string as Schema<unknown>, 5],
  ["long", s.long as Schema<unknown>, undefined],
  ["long", s.long as Schema<unknown>, Number.NaN],
  ["timestamp", s.timestamp as Schema<unknown>, "5"],
  ["bytes", s.bytes as Schema<unknown>, "text"],
])("a %s map does not take a key that is none", (_kind, schema, key) => {
  const codec = orderedKeyCodec(schema, "state.x");
  expect(() => codec.id(key)).toThrow(/state\.x/);
});

test("a prefix is for strings only", () => {
  expect(orderedKeyCodec(s.string as Schema<unknown>, "state.x").prefix("a")).toEqual(Buffer.from("a"));
  expect(() => orderedKeyCodec(s.long as Schema<unknown>, "state.x").prefix("a")).toThrow(/prefix/);
});
