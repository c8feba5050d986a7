import { avro, describeSchema, json, RepriseError, type StandardSchema, s, schemaRuntime } from "@reprise/schema";
import { describe, expect, it } from "vitest";

interface Order {
  readonly id: string;
  readonly cents: number;
}

/** A Standard Schema as a vendor writes one. */
function vendor(validate: (value: unknown) => unknown): StandardSchema<Order, Order> {
  return { "~standard": { version: 1, vendor: "acme", validate } };
}

const order = vendor((value) => {
  const { id, cents } = (value ?? {}) as Partial<Order>;
  if (typeof id !== "string") return { issues: [{ message: "expected a string", path: ["id"] }] };
  if (typeof cents !== "number") return { issues: [{ message: "expected a number", path: [{ key: "lines" }, 0, "cents"] }] };
  return { value: { id, cents } };
});

function messageOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    expect(RepriseError.is(error) && error.code).toBe("SCHEMA_INVALID");
    return (error as Error).message;
  }
  throw new Error("expected an error");
}

describe("json of a Standard Schema", () => {
  const runtime = schemaRuntime(json(order));

  it("validates in both directions and drops what the validator drops", () => {
    const bytes = Buffer.from('{"id":"a","cents":5,"more":1}');
    expect(runtime.decode(bytes, 0, bytes.length)).toEqual({ id: "a", cents: 5 });
    expect(runtime.encode({ id: "a", cents: 5 }).toString()).toBe('{"id":"a","cents":5}');
    expect(describeSchema(json(order))).toMatchObject({ format: "standard", kind: "unknown", avro: null });
  });

  it("names the place of an issue", () => {
    expect(messageOf(() => runtime.encode({ id: 1 } as never))).toBe("acme.id: expected a string");
    expect(messageOf(() => runtime.fromJson('{"id":"a"}'))).toBe("acme.lines[0].cents: expected a number");
  });

  it("refuses validators that are asynchronous, also when they reject", () => {
    for (const answer of [async () => ({ value: 1 }), () => Promise.reject(new Error("late"))]) {
      expect(messageOf(() => schemaRuntime(json(vendor(answer))).fromJson("{}"))).toContain("validates asynchronously");
    }
  });

  it("takes null when it is optional", () => {
    expect(schemaRuntime(json(order).optional()).fromJson("null")).toBeNull();
    expect(messageOf(() => runtime.fromJson("null"))).toContain("acme.id");
  });
});

describe("json without a schema", () => {
  it("takes what JSON has, and clones it deeply", () => {
    const runtime = schemaRuntime(json<{ readonly a: readonly number[] }>());
    const value = runtime.fromJson('{"a":[1,2]}');
    const copy = runtime.clone(value);
    expect(copy).toEqual(value);
    expect(copy.a).not.toBe(value.a);
    expect(messageOf(() => runtime.encode(undefined as never))).toContain("got undefined");
    expect(messageOf(() => runtime.encode({ a: [1n] } as never))).toContain("BigInt");
  });
});

describe("an existing Avro schema", () => {
  const schema = avro<{ readonly id: string; readonly amount: number | null; readonly hash: Uint8Array }>({
    avro: {
      type: "record",
      name: "Paid",
      fields: [
        { name: "id", type: "string" },
        { name: "amount", type: ["null", "long"], default: null },
        { name: "hash", type: { type: "fixed", name: "Hash", size: 2 } },
      ],
    },
  });
  const runtime = schemaRuntime(schema);
  const value = { id: "a", amount: 5, hash: Buffer.from([1, 2]) };

  it("is read and written by avsc", () => {
    const bytes = runtime.encode(value);
    expect(bytes.toString("hex")).toBe("026102" + "0a" + "0102");
    const buffer = Buffer.concat([Buffer.from([9]), bytes, Buffer.from([9])]);
    expect({ ...runtime.decode(buffer, 1, buffer.length - 1) }).toEqual(value);
    expect({ ...runtime.fromJson(runtime.toJson(value)) }).toEqual(value);
    expect(runtime.kind).toBe("record");
  });

  it("shares no memory with what it was read from", () => {
    const bytes = runtime.encode(value);
    const read = runtime.decode(bytes, 0, bytes.length);
    bytes.fill(0);
    expect(read.hash).toEqual(Buffer.from([1, 2]));
  });

  it("refuses what does not fit by name", () => {
    expect(messageOf(() => runtime.encode({ ...value, amount: "5" } as never))).toContain("Paid.amount");
    const bytes = runtime.encode(value);
    expect(messageOf(() => runtime.decode(bytes, 0, bytes.length - 1))).toContain("Paid");
    expect(messageOf(() => runtime.decode(Buffer.concat([bytes, bytes]), 0, bytes.length * 2))).toContain("Paid: expected record");
  });
});

describe("fingerprints", () => {
  const of = (schema: Parameters<typeof describeSchema>[0]): string => describeSchema(schema).fingerprint;
  const R = (fields: Parameters<typeof s.record>[1]) => s.record("R", fields);

  it("are equal for equal schemas and differ for all others", () => {
    expect(of(R({ a: s.int, b: s.string }) as never)).toBe(of(R({ a: s.int, b: s.string }) as never));
    const different = [
      R({ a: s.int }),
      R({ a: s.long }),
      R({ a: s.timestamp }),
      R({ a: s.bigint }),
      R({ a: s.int.optional() }),
      R({ a: s.int.default(1) }),
      R({ a: s.int.default(2) }),
      R({ b: s.int }),
      R({ a: s.int, b: s.int }),
      R({ b: s.int, a: s.int }),
      json(R({ a: s.int })),
      s.record("Q", { a: s.int }),
      s.int,
      s.string,
      json(s.int),
      json(),
      s.array(s.int),
      s.map(s.int),
    ];
    expect(new Set(different.map((schema) => of(schema as never))).size).toBe(different.length);
  });

  it("stay what they are from release to release", () => {
    expect(of(s.string as never)).toBe("4b2798475697f8e035e23ccbd6bd9f67");
    expect(of(json(R({ a: s.int, at: s.timestamp.default(0) })) as never)).toBe("c9123d922be990e5ea3e4fc21b78b473");
  });
});

describe("schemas of another copy of the package", () => {
  it("work by their brand, not by their class", () => {
    const brand = Symbol.for("reprise.schema");
    const foreign = { [brand]: (s.int as unknown as { readonly [brand]: unknown })[brand] } as unknown as typeof s.int;
    expect(schemaRuntime(foreign).encode(1).toString("hex")).toBe("00000001");
    expect(schemaRuntime(json(s.record("R", { a: foreign }))).toJson({ a: 1 })).toBe('{"a":1}');
  });
});
