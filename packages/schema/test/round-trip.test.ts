import avsc from "avsc";
import { json, type Schema, s, schemaRuntime } from "@reprise/schema";
import { isDeepStrictEqual } from "node:util";
import { describe, expect, it } from "vitest";
import { generate, seeded } from "./random-values.ts";

/** Kept exact by a type of our own, as avsc wants it; our bigints are Avro longs to it. */
const wideLong = avsc.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: (value: bigint | number) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(value));
    return bytes;
  },
  fromJSON: BigInt as never,
  toJSON: String as never,
  isValid: (value: unknown) => typeof value === "bigint" || Number.isSafeInteger(value),
  compare: () => 0,
} as never);

function independent(schema: Schema<unknown>): avsc.Type {
  return avsc.Type.forSchema(schemaRuntime(schema).avro as avsc.Schema, {
    wrapUnions: false,
    typeHook: (attributes) =>
      ((attributes as unknown) === "long" || (attributes as { type?: unknown }).type === "long" ? wideLong : undefined) as never,
  });
}

/** avsc's records are class instances and its longs bigints here; ours are plain. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "number" && Number.isSafeInteger(value)) return `${value}n`;
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString("hex")}`;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, held]) => [key, plain(held)]));
}

/** avsc wants Buffers where we take any bytes. */
function buffered(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value);
  if (Array.isArray(value)) return value.map(buffered);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, held]) => [key, buffered(held)]));
}

/** vitest's toStrictEqual takes a field named `constructor` for the class. */
function same(value: unknown, given: unknown): void {
  if (!isDeepStrictEqual(value, given)) expect(value).toBe(given);
}

const surrounded = (bytes: Buffer): Buffer => Buffer.concat([Buffer.from([1, 2, 3]), bytes, Buffer.from([4])]);

describe("random shapes and values", () => {
  const random = seeded(20_260_101);
  const shapes = Array.from({ length: 150 }, () => generate(random, 4));

  it("are in Avro what avsc writes and reads", () => {
    for (const { schema, value } of shapes) {
      const runtime = schemaRuntime(schema);
      if (runtime.format !== "avro") continue;
      const other = independent(schema);
      for (let i = 0; i < 20; i += 1) {
        const given = value();
        const bytes = runtime.encode(given);
        if (!hasProto(given)) {
          expect(bytes.toString("hex")).toBe(other.toBuffer(buffered(given)).toString("hex"));
          expect(plain(other.fromBuffer(bytes))).toEqual(plain(given));
        }
        const buffer = surrounded(bytes);
        same(runtime.decode(buffer, 3, buffer.length - 1), given);
      }
    }
  });

  it("come back from JSON, and JSON text from values", () => {
    for (const { schema, value } of shapes) {
      const runtime = schemaRuntime(json(schema));
      for (let i = 0; i < 20; i += 1) {
        const given = value();
        const buffer = surrounded(runtime.encode(given));
        same(runtime.decode(buffer, 3, buffer.length - 1), given);
        same(runtime.fromJson(runtime.toJson(given)), given);
      }
    }
  });

  it("come back from the bytes of their own format, whatever that is", () => {
    for (const { schema, value } of shapes) {
      const runtime = schemaRuntime(schema);
      const given = value();
      const bytes = runtime.encode(given);
      same(runtime.decode(bytes, 0, bytes.length), given);
      expect(runtime.encode(given)).toEqual(bytes);
    }
  });

  it("are checked and cloned without change", () => {
    for (const { schema, value } of shapes) {
      const runtime = schemaRuntime(schema);
      const given = value();
      runtime.check(given);
      const copy = runtime.clone(given);
      same(copy, given);
      if (typeof given === "object" && given !== null && Object.keys(given).length > 0) expect(copy).not.toBe(given);
    }
  });

  it("keep what was taken from the encoder when it writes on", () => {
    const runtime = schemaRuntime(s.record("R", { text: s.string, n: s.long }));
    const values = Array.from({ length: 3_000 }, (_, i) => ({ text: "x".repeat((i * 37) % (i % 500 === 0 ? 20_000 : 90)), n: i }));
    const encoded = values.map((value) => runtime.encode(value));
    expect(encoded.map((bytes) => runtime.decode(bytes, 0, bytes.length))).toStrictEqual(values);
  });
});

/** avsc sets `__proto__` where it should define it. */
function hasProto(value: unknown): boolean {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return false;
  return Object.hasOwn(value, "__proto__") || Object.values(value).some(hasProto);
}

describe("bare primitives", () => {
  const hex = <T>(schema: Schema<T>, value: T): string => schemaRuntime(schema).encode(value).toString("hex");

  it("are what Kafka's serializers write", () => {
    expect(hex(s.string, "aé")).toBe("61c3a9");
    expect(hex(s.bytes, new Uint8Array([1, 255]))).toBe("01ff");
    expect(hex(s.int, -2)).toBe("fffffffe");
    expect(hex(s.long, -2)).toBe("fffffffffffffffe");
    expect(hex(s.long, 2 ** 53 - 1)).toBe("001fffffffffffff");
    expect(hex(s.timestamp, 2 ** 32 + 1)).toBe("0000000100000001");
    expect(hex(s.double, 1.5)).toBe("3ff8000000000000");
    expect(hex(s.boolean, true)).toBe("01");
    expect(hex(s.bigint, -(2n ** 63n))).toBe("8000000000000000");
    expect(hex(s.string.default("x"), "y")).toBe("79");
  });

  it("are Avro when they are optional", () => {
    expect(hex(s.string.optional(), "a")).toBe("020261");
    expect(hex(s.string.optional(), null)).toBe("00");
  });
});

describe("evolution", () => {
  const Visit = s.record("Visit", {
    page: s.string,
    product: s.string.optional(),
    cents: s.long.default(7),
    tags: s.array(s.string).default(["new"]),
    size: s.oneOf("Size", "s", "l").optional().default("l"),
  });
  const filled = { page: "p", product: null, cents: 7, tags: ["new"], size: "l" };

  it("fills in missing fields on reading JSON and on writing", () => {
    const runtime = schemaRuntime(json(Visit));
    const text = Buffer.from('{"page":"p","unknown":{"a":1}}');
    expect(runtime.decode(text, 0, text.length)).toStrictEqual(filled);
    expect(runtime.encode({ page: "p" } as never).toString()).toBe('{"page":"p","product":null,"cents":7,"tags":["new"],"size":"l"}');
    expect(runtime.clone({ page: "p" } as never)).toStrictEqual(filled);
    const avro = schemaRuntime(Visit);
    const bytes = avro.encode({ page: "p" } as never);
    expect(avro.decode(bytes, 0, bytes.length)).toStrictEqual(filled);
  });

  it("gives every value its own copy of a default", () => {
    const runtime = schemaRuntime(json(Visit));
    const [a, b] = [runtime.fromJson('{"page":"p"}'), runtime.fromJson('{"page":"p"}')];
    (a.tags as string[]).push("more");
    expect(b.tags).toEqual(["new"]);
    expect(runtime.fromJson('{"page":"p"}').tags).toEqual(["new"]);
  });

  it("tells a null from a missing field where a default is not null", () => {
    const runtime = schemaRuntime(json(Visit));
    expect(runtime.fromJson('{"page":"p","size":null}').size).toBeNull();
    expect(() => runtime.fromJson('{"page":"p","cents":null}')).toThrow("Visit.cents: expected long (a safe integer), got null");
  });

  it("resolves as Avro does: avsc reads old bytes with the new schema", () => {
    const old = schemaRuntime(s.record("Visit", { page: s.string }));
    const writer = avsc.Type.forSchema(old.avro as avsc.Schema);
    const reader = avsc.Type.forSchema(schemaRuntime(Visit).avro as avsc.Schema, { wrapUnions: false });
    const bytes = old.encode({ page: "p" });
    expect({ ...(reader.fromBuffer(bytes, reader.createResolver(writer)) as object) }).toEqual(filled);
  });
});

describe("encodings", () => {
  it("are equal for equal values: declared order, sorted keys, nothing undeclared", () => {
    const runtime = schemaRuntime(json(s.record("R", { b: s.int, a: s.map(s.int) })));
    expect(runtime.encode({ a: { z: 1, y: 2 }, extra: true, b: 3 } as never).toString()).toBe('{"b":3,"a":{"y":2,"z":1}}');
    const avro = schemaRuntime(s.map(s.int));
    expect(avro.encode({ z: 1, y: 2 })).toEqual(avro.encode({ y: 2, z: 1 }));
  });

  it("read Avro's blocks with sizes, as other writers write them", () => {
    const runtime = schemaRuntime(s.array(s.int));
    const bytes = Buffer.from([3, 4, 2, 4, 2, 6, 0]); // -2 items in 2 bytes, then 1 item, then the end
    expect(runtime.decode(bytes, 0, bytes.length)).toEqual([1, 2, 3]);
  });

  it("share no memory with what they were read from", () => {
    const runtime = schemaRuntime(s.record("R", { bytes: s.bytes }));
    const buffer = runtime.encode({ bytes: new Uint8Array([1, 2]) });
    const value = runtime.decode(buffer, 0, buffer.length);
    buffer.fill(9);
    expect(value.bytes).toEqual(new Uint8Array([1, 2]));
  });
});
