import { describe, expect, test } from "vitest";
import { avro, describeSchema, evolveBytes, json, s, type Schema, schemaIncompatibility, schemaRuntime } from "../src/index.ts";

const Address = s.record("Address", { street: s.string, nr: s.int });
const before = s.record("Account", {
  id: s.string,
  spent: s.int,
  tier: s.oneOf("Tier", "free", "paid"),
  notes: s.array(s.string),
  address: Address.optional(),
  big: s.bigint,
  at: s.timestamp,
});
const value = {
  id: "ä1",
  spent: -7,
  tier: "paid" as const,
  notes: ["a", ""],
  address: { street: "x", nr: 3 },
  big: 2n ** 60n,
  at: 1_700_000_000_000,
};

function evolved(from: Schema<any>, to: Schema<any>, given: unknown): unknown {
  const written = describeSchema(from);
  expect(schemaIncompatibility(written, describeSchema(to))).toBeUndefined();
  const bytes = schemaRuntime(from).encode(given);
  const runtime = schemaRuntime(to);
  // As a manifest has it.
  const out = evolveBytes(JSON.parse(JSON.stringify(written)), runtime as never)?.(bytes) ?? bytes;
  return runtime.decode(out, 0, out.length);
}

describe("rows of an older schema", () => {
  const { big: _big, ...rest } = value;
  const after = s.record("AccountV2", {
    at: s.timestamp,
    address: s.record("Place", { street: s.string, nr: s.long, city: s.string.default("?") }).optional(),
    spent: s.double,
    tier: s.oneOf("Tier", "new", "free", "paid"),
    notes: s.array(s.string.optional()),
    id: s.string.optional(),
    limit: s.long.default(5),
    more: s.map(s.long).optional(),
  });
  const expected = { ...rest, address: { street: "x", nr: 3, city: "?" }, limit: 5, more: null };

  test.each([
    ["avro", (schema: Schema<any>) => schema],
    ["json", (schema: Schema<any>) => json(schema)],
  ])("%s: fields go, come with a default, move, widen and become nullable", (_name, format) => {
    expect(evolved(format(before), format(after), value)).toEqual(expected);
    expect(evolved(format(before), format(after), { ...value, address: null })).toEqual({ ...expected, address: null });
  });

  test("come from one format into the other, and the same schema leaves its bytes alone", () => {
    expect(evolved(before, json(after), value)).toEqual(expected);
    expect(evolved(json(before), after, value)).toEqual(expected);
    expect(evolveBytes(describeSchema(before), schemaRuntime(before) as never)).toBeUndefined();
    expect(evolved(s.int, s.double, 7)).toBe(7);
  });

  test("null defaults and defaults that are no null read alike, whichever branch comes first", () => {
    const old = s.record("R", { a: s.string.optional().default("x"), b: s.string.optional(), c: s.bytes.default(Uint8Array.of(0, 255)) });
    const now = s.record("R", { a: s.string.optional(), b: s.string.optional(), c: s.bytes, d: s.long.default(1) });
    const given = { a: null, b: "y", c: Uint8Array.of(1) };
    expect(evolved(old, now, given)).toEqual({ ...given, d: 1 });
  });

  test("of foreign Avro are read by its own resolution", () => {
    const field = (name: string, type: unknown, more = {}): object => ({ name, type, ...more });
    const record = (...fields: object[]): Schema<any> => avro({ avro: { type: "record", name: "R", namespace: "x.y", fields } } as never);
    const old = record(field("a", "float"), field("gone", "string"));
    const now = record(field("a", "double"), field("b", "int", { default: 3 }));
    expect(evolved(old, now, { a: 0.5, gone: "" })).toEqual({ a: 0.5, b: 3 });
    const found = schemaIncompatibility(describeSchema(old), describeSchema(record(field("a", "float"), field("b", "int"))));
    expect(found?.reason).toContain("b");
  });
});

test.each<[string, Schema<any>, Schema<any>, string, string]>([
  ["a new field", s.record("R", {}), s.record("R", { a: s.string }), "R.a", "is new"],
  ["another type", s.record("R", { a: s.string }), s.record("R", { a: s.long }), "R.a", "was string"],
  ["a narrower number", s.record("R", { a: s.long }), s.record("R", { a: s.int }), "R.a", "was long"],
  [
    "a field that was nullable",
    s.record("R", { a: s.array(s.string.optional()) }),
    s.record("R", { a: s.array(s.string) }),
    "R.a[]",
    "may be null",
  ],
  ["a lost symbol", s.oneOf("E", "a", "b", "c"), s.oneOf("E", "b"), "E", '"a", "c"'],
  ["deep inside", s.map(s.record("I", { x: s.int })), s.map(s.record("I", { x: s.bytes })), "map[].x", "was int"],
  ["JSON that nobody checks", json<unknown>(), s.string, "string", "was json-unchecked"],
])("%s is named", (_what, from, to, path, reason) => {
  const found = schemaIncompatibility(describeSchema(from), describeSchema(to));
  expect(found?.path).toBe(path);
  expect(found?.reason).toContain(reason);
});
