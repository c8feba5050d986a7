import { type Schema, s } from "@reprise/schema";

/** A small seeded generator, so that a failure can be repeated. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Generated {
  readonly schema: Schema<unknown>;
  readonly value: () => unknown;
}

const pick = <T>(random: () => number, from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;

const longs = [
  0,
  1,
  -1,
  63,
  -64,
  64,
  -65,
  8191,
  2 ** 26,
  2 ** 27 - 1,
  2 ** 27,
  -(2 ** 27),
  2 ** 31,
  -(2 ** 31),
  2 ** 34 + 5,
  978_307_200_000,
  2 ** 52 + 1,
  2 ** 53 - 1,
  -(2 ** 53 - 1),
];
const ints = [0, 1, -1, 2 ** 31 - 1, -(2 ** 31), 127, 128, -129];
const doubles = [0, 0.1, -1.5, 1e300, 5e-324, Number.MAX_SAFE_INTEGER, 1 / 3];
const strings = [
  "",
  "JFK",
  "é",
  "x".repeat(32),
  "x".repeat(33),
  "日本語 🛫",
  'quote " and \\ and \n',
  "\u0000\u001f",
  "\ufffd",
  "a".repeat(9_000),
];
const bigints = [0n, 1n, -1n, 2n ** 62n, 2n ** 63n - 1n, -(2n ** 63n), 300n];

/** A random shape, at most `depth` levels deep, and random values of it. */
export function generate(random: () => number, depth: number, names: { next: number } = { next: 0 }): Generated {
  const primitives: readonly (() => Generated)[] = [
    () => ({ schema: s.string as Schema<unknown>, value: () => pick(random, strings) }),
    () => ({ schema: s.boolean as Schema<unknown>, value: () => random() < 0.5 }),
    () => ({ schema: s.int as Schema<unknown>, value: () => pick(random, ints) }),
    () => ({ schema: s.long as Schema<unknown>, value: () => pick(random, longs) }),
    () => ({ schema: s.timestamp as Schema<unknown>, value: () => pick(random, longs) }),
    () => ({ schema: s.double as Schema<unknown>, value: () => pick(random, doubles) }),
    () => ({ schema: s.bytes as Schema<unknown>, value: () => new Uint8Array([random() * 256, 0, 255].slice(0, random() * 4)) }),
    () => ({ schema: s.bigint as Schema<unknown>, value: () => pick(random, bigints) }),
  ];
  if (depth === 0 || random() < 0.2) return pick(random, primitives)();
  const inner = (): Generated => generate(random, depth - 1, names);
  const name = (prefix: string): string => `${prefix}${names.next++}`;
  switch (Math.floor(random() * 5)) {
    case 0: {
      const words = ["red", "green", "blue"] as const;
      return { schema: s.oneOf(name("Colour"), ...words) as Schema<unknown>, value: () => pick(random, words) };
    }
    case 1: {
      const item = inner();
      return { schema: s.array(item.schema) as Schema<unknown>, value: () => Array.from({ length: random() * 4 }, item.value) };
    }
    case 2: {
      const item = inner();
      const keys = ["a", "é", "", "__proto__", "toString", "z z"];
      // Sorted: maps come back in the order of their bytes.
      return {
        schema: s.map(item.schema) as Schema<unknown>,
        value: () =>
          entries(
            keys
              .filter(() => random() < 0.4)
              .sort()
              .map((key) => [key, item.value()]),
          ),
      };
    }
    case 3: {
      const item = inner();
      return { schema: item.schema.optional() as Schema<unknown>, value: () => (random() < 0.3 ? null : item.value()) };
    }
    default: {
      const fields = ["a", "toString", "_b", "constructor", "C9"].slice(0, 1 + random() * 5).map((field) => [field, inner()] as const);
      return {
        schema: s.record(name("Record"), Object.fromEntries(fields.map(([field, { schema }]) => [field, schema]))) as Schema<unknown>,
        value: () => Object.fromEntries(fields.map(([field, { value }]) => [field, value()])),
      };
    }
  }
}

/** `Object.fromEntries` defines `__proto__` as an own property, an object literal would not. */
const entries = (list: readonly (readonly [string, unknown])[]): object => Object.fromEntries(list);
