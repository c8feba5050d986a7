import {
  avro,
  describeSchema,
  json,
  jsonOf,
  keySegment,
  parseKeySegment,
  protobuf,
  registry,
  RepriseError,
  type Schema,
  s,
  schemaRuntime,
} from "@reprise/schema";
import { describe, expect, it } from "vitest";

function errorOf(work: () => unknown): RepriseError {
  try {
    work();
  } catch (error) {
    if (RepriseError.is(error)) return error;
    throw error;
  }
  throw new Error("expected an error");
}

const bad = (work: () => unknown): string => {
  const error = errorOf(work);
  expect(error.code).toBe("SCHEMA_INVALID");
  return error.message;
};

const decode = <T>(schema: Schema<T>, bytes: Uint8Array | string): T => {
  const buffer = typeof bytes === "string" ? Buffer.from(bytes) : Buffer.from(bytes);
  return schemaRuntime(schema).decode(buffer, 0, buffer.length);
};

const Leg = s.record("Leg", { to: s.string, at: s.timestamp });
const Flight = s.record("Flight", {
  origin: s.string,
  delay: s.int,
  legs: s.array(Leg),
  notes: s.map(s.double),
  raw: s.bytes,
  total: s.bigint,
  kind: s.oneOf("Kind", "cargo", "mail"),
});
const good = {
  origin: "JFK",
  delay: 1,
  legs: [{ to: "LAX", at: 5 }],
  notes: { a: 1 },
  raw: new Uint8Array(1),
  total: 3n,
  kind: "mail" as const,
};

describe("a value that does not fit", () => {
  const cases: readonly [string, object, string][] = [
    ["a missing field", { origin: undefined }, "Flight.origin: expected string (well-formed Unicode), got undefined"],
    ["null for a string", { origin: null }, "Flight.origin: expected string (well-formed Unicode), got null"],
    ["half a surrogate pair", { origin: "a\ud800" }, "Flight.origin: expected string (well-formed Unicode), got string"],
    ["an integer beyond 32 bits", { delay: 2 ** 31 }, "Flight.delay: expected int (32 bits), got number 2147483648"],
    ["a fraction for an int", { delay: 0.5 }, "Flight.delay: expected int (32 bits), got number 0.5"],
    ["no array", { legs: {} }, "Flight.legs: expected array of record Leg, got object"],
    [
      "a wrong item",
      {
        legs: [
          { to: "a", at: 1 },
          { to: "b", at: "x" },
        ],
      },
      'Flight.legs[1].at: expected timestamp (epoch ms, a safe integer), got string "x"',
    ],
    ["a long beyond 2^53", { legs: [{ to: "a", at: 2 ** 53 }] }, "Flight.legs[0].at: expected timestamp"],
    ["no map", { notes: [1] }, "Flight.notes: expected map of double, got array of 1"],
    ["a wrong entry", { notes: { a: 1, b: "2" } }, 'Flight.notes["b"]: expected double, got string "2"'],
    ["an array for bytes", { raw: [1] }, "Flight.raw: expected bytes, got array of 1"],
    ["a bigint beyond 64 bits", { total: 2n ** 63n }, "Flight.total: expected bigint (64 bits), got bigint 9223372036854775808"],
    ["a number for a bigint", { total: 3 }, "Flight.total: expected bigint (64 bits), got number 3"],
    ["a word that is not declared", { kind: "post" }, 'Flight.kind: expected "cargo" | "mail", got string "post"'],
  ];

  it.each(cases)("is refused by name when written, checked or turned into JSON: %s", (_name, wrong, message) => {
    const value = { ...good, ...wrong } as never;
    for (const runtime of [schemaRuntime(Flight), schemaRuntime(json(Flight))]) {
      expect(bad(() => runtime.encode(value))).toContain(message);
      expect(bad(() => runtime.check(value))).toContain(message);
      expect(bad(() => runtime.toJson(value))).toContain(message);
    }
  });

  it("is refused when it is no object at all", () => {
    for (const value of [null, undefined, 1, "x", [], new Uint8Array(2)]) {
      expect(bad(() => schemaRuntime(Flight).encode(value as never))).toMatch(/^Flight: expected record Flight, got /);
      expect(bad(() => schemaRuntime(json(Flight)).check(value as never))).toMatch(/^Flight: expected record Flight, got /);
    }
  });

  it("says path, expected and got in its details", () => {
    expect(errorOf(() => schemaRuntime(Flight).encode({ ...good, delay: "late" } as never)).details).toEqual({
      path: "Flight.delay",
      expected: "int (32 bits)",
      got: 'string "late"',
    });
  });

  it("can be NaN in Avro, which JSON can't hold", () => {
    const value = { ...good, notes: { a: Number.NaN } };
    expect(decode(Flight, schemaRuntime(Flight).encode(value)).notes["a"]).toBeNaN();
    expect(bad(() => schemaRuntime(json(Flight)).encode(value))).toBe('Flight.notes["a"]: expected double, got number NaN');
  });
});

describe("JSON that does not fit", () => {
  const text = JSON.stringify({ ...good, raw: "AA==", total: "3" });
  const cases: readonly [string, string, string][] = [
    ["no bytes", "", "Flight: expected JSON, got no bytes"],
    ["half a text", text.slice(0, -5), "Flight: expected JSON, got "],
    ["a second value", `${text} {}`, "Flight: expected JSON, got "],
    ["null", "null", "Flight: expected record Flight, got null"],
    ["a wrong type", text.replace("1,", '"1",'), 'Flight.delay: expected int (32 bits), got string "1"'],
    ["bytes that are not base64", text.replace("AA==", "A*=="), 'Flight.raw: expected bytes, got string "A*=="'],
    ["a bigint with a fraction", text.replace('"3"', "3.5"), "Flight.total: expected bigint (64 bits), got number 3.5"],
    ["half a surrogate pair", text.replace("JFK", "\\ud800"), "Flight.origin: expected string (well-formed Unicode)"],
    ["a missing field", text.replace('"origin"', '"other"'), "Flight.origin: expected string (well-formed Unicode), got undefined"],
  ];

  it.each(cases)("is refused by name: %s", (_name, given, message) => {
    expect(bad(() => decode(json(Flight), given))).toContain(message);
  });

  it("is refused when it is not UTF-8, which would read as other text", () => {
    expect(bad(() => decode(json(Flight), Buffer.concat([Buffer.from(text), Buffer.from([0xff])])))).toBe(
      "Flight: expected UTF-8, got other bytes",
    );
  });

  it("can't reach prototypes", () => {
    const value = decode(
      json(s.record("R", { map: s.map(s.int), toString: s.string.default("none") })),
      '{"map":{"__proto__":1},"__proto__":{"x":2}}',
    );
    expect(Object.getPrototypeOf(value.map)).toBe(Object.prototype);
    expect(Object.entries(value.map)).toEqual([["__proto__", 1]]);
    expect(value.toString).toBe("none");
  });
});

describe("Avro that does not fit", () => {
  const bytes = schemaRuntime(Flight).encode(good);

  it("is refused at every length but its own", () => {
    for (let length = 0; length < bytes.length; length += 1) {
      expect(bad(() => schemaRuntime(Flight).decode(bytes, 0, length))).toMatch(
        /^Flight[^:]*: expected .*, got bytes that are not at offset \d+ of \d+$/,
      );
    }
  });

  it("is refused when bytes are left over", () => {
    expect(bad(() => decode(Flight, Buffer.concat([bytes, Buffer.from([0])])))).toBe(
      `Flight: expected record Flight of ${bytes.length} bytes, got 1 more bytes from offset ${bytes.length}`,
    );
  });

  it("names the field and the offset", () => {
    expect(bad(() => schemaRuntime(Flight).decode(bytes, 0, 5))).toBe(
      "Flight.legs: expected array of record Leg, got bytes that are not at offset 5 of 5",
    );
  });

  it("is refused for lengths, counts, branches and numbers that can't be", () => {
    const cases: readonly [Schema<unknown>, number[]][] = [
      [s.record("R", { a: s.string }) as Schema<unknown>, [1]], // length -1
      [s.record("R", { a: s.string }) as Schema<unknown>, [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]],
      [s.record("R", { a: s.string }) as Schema<unknown>, [2, 0xff]], // not UTF-8
      [s.record("R", { a: s.boolean }) as Schema<unknown>, [2]],
      [s.record("R", { a: s.int }) as Schema<unknown>, [0x80, 0x80, 0x80, 0x80, 0x10]], // 2^31
      [s.record("R", { a: s.long }) as Schema<unknown>, [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]], // 2^63 - 1
      [s.array(s.int) as Schema<unknown>, [0xfe, 0xff, 0xff, 0xff, 0x0f]], // 2^31 items
      [s.int.optional() as Schema<unknown>, [4, 0]],
      [s.oneOf("E", "a", "b") as Schema<unknown>, [4]],
      [s.record("R", { a: s.bigint }) as Schema<unknown>, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]],
    ];
    for (const [schema, given] of cases) expect(bad(() => decode(schema, Buffer.from(given)))).toContain("expected");
  });

  it("never throws anything else, nor hangs, for random bytes", () => {
    let seed = 7;
    for (let i = 0; i < 5_000; i += 1) {
      const noise = Buffer.from(Array.from({ length: i % 40 }, () => (seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff) >> 16));
      try {
        decode(Flight, noise);
      } catch (error) {
        expect(RepriseError.is(error) && error.code).toBe("SCHEMA_INVALID");
      }
    }
  });
});

describe("bytes of a bare primitive that do not fit", () => {
  it("are refused by length and content", () => {
    expect(bad(() => decode(s.int, Buffer.alloc(3)))).toBe("int: expected int (32 bits) in 4 bytes, got 3 bytes");
    expect(bad(() => decode(s.long, Buffer.alloc(4)))).toContain("in 8 bytes, got 4 bytes");
    expect(bad(() => decode(s.long, Buffer.alloc(8, 0x7f)))).toBe("long: expected long (a safe integer), got other bytes");
    expect(bad(() => decode(s.boolean, Buffer.from([2])))).toContain("boolean: expected boolean");
    expect(bad(() => decode(s.string, Buffer.from([0xc3])))).toContain("string: expected string");
    expect(decode(s.string, Buffer.from("\ufffd"))).toBe("\ufffd");
    expect(bad(() => schemaRuntime(s.string).encode(1 as never))).toContain("got number 1");
    expect(bad(() => schemaRuntime(s.long).encode(1.5))).toContain("got number 1.5");
  });
});

describe("a schema that is wrong", () => {
  it("is refused where it is declared", () => {
    expect(bad(() => s.record("1R", {}))).toContain('got "1R"');
    expect(bad(() => s.record("R", { "a-b": s.int }))).toBe(
      'record R: field: expected a name of letters, digits and _, not beginning with a digit, got "a-b"',
    );
    expect(bad(() => s.record("R", JSON.parse('{"__proto__":1}') as never))).toContain("__proto__");
    expect(bad(() => s.record("R", { a: "string" as never }))).toBe("record R: field a: expected a schema, such as s.string");
    expect(bad(() => s.record("R", { a: json(s.int) }))).toContain("can't be part of another");
    expect(bad(() => s.oneOf("E", "a", "a"))).toBe("oneOf E: a value occurs twice");
    expect(bad(() => s.oneOf("E", "in-transit"))).toContain("in-transit");
    expect(bad(() => s.array(s.record("Empty", {})))).toContain("items without fields have no bytes");
    expect(bad(() => s.record("R", { a: s.record("X", { n: s.int }), b: s.record("X", { n: s.long }) }))).toBe(
      "X: two different shapes have this name in one schema",
    );
    expect(bad(() => s.int.default("1" as never))).toBe('default(): expected int (32 bits), got string "1"');
    expect(bad(() => s.bigint.default(2n ** 60n))).toContain("safe integer");
    expect(bad(() => json("x" as never))).toContain("json(): expected a schema made with s");
    expect(bad(() => json(registry(s.int)))).toContain("format registry can't be JSON");
    expect(bad(() => avro({ avro: { type: "nonsense" } }))).toContain("avro(): not an Avro schema");
    expect(bad(() => schemaRuntime({} as never))).toContain("expected a schema");
  });

  it("may use one shape in two places", () => {
    const Hour = s.record("Hour", { at: s.timestamp });
    const Pair = s.record("Pair", { a: Hour, b: Hour.optional() });
    expect(describeSchema(Pair).avro).toEqual({
      type: "record",
      name: "Pair",
      fields: [
        {
          name: "a",
          type: { type: "record", name: "Hour", fields: [{ name: "at", type: { type: "long", logicalType: "timestamp-millis" } }] },
        },
        { name: "b", type: ["null", "Hour"], default: null },
      ],
    });
  });
});

describe("formats that are not supported yet", () => {
  it("are declared, described, and refused by name at use", () => {
    for (const [schema, name] of [
      [registry(json(Flight)) as Schema<unknown>, /registry\(json [0-9a-f]{32}\) can't be read or written yet/],
      [protobuf({ $typeName: "a.Flight", message: good }) as Schema<unknown>, /protobuf\(a\.Flight\)/],
    ] as const) {
      expect(describeSchema(schema).fingerprint).toMatch(/^[0-9a-f]{32}$/);
      for (const use of [() => schemaRuntime(schema).encode(good as never), () => decode(schema, Buffer.alloc(1))]) {
        const error = errorOf(use);
        expect(error.code).toBe("NOT_SUPPORTED");
        expect(error.message).toMatch(name);
      }
    }
  });
});

describe("keys as text", () => {
  it("come back, whatever they are", () => {
    const pair = s.record("Pair", { a: s.string, n: s.bigint, raw: s.bytes });
    const value = { a: "é/", n: 12n, raw: Buffer.from([1, 2]) };
    expect(parseKeySegment(pair, keySegment(value))).toEqual({ ...value, raw: new Uint8Array([1, 2]) });
    for (const text of ["JFK", "", ".", "..", '"x"', "a b/c", "5", "null"]) expect(parseKeySegment(s.string, keySegment(text))).toBe(text);
    for (const number of [5, -1]) expect(parseKeySegment(s.int, keySegment(number))).toBe(number);
    expect(keySegment("JFK")).toBe("JFK");
    expect(jsonOf(new Uint8Array([1]))).toBe('"AQ=="');
    expect(errorOf(() => keySegment(undefined)).code).toBe("INVALID_ARGUMENT");
    expect(bad(() => parseKeySegment(s.int, "x"))).toContain("expected JSON");
  });
});
