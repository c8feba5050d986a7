import { describe, expect, test } from "vitest";
import { compileJsonScanner } from "../src/internal/compile/compile-json-scanner.ts";
import { json, s, schemaRuntime } from "../src/index.ts";
import type { SchemaNode } from "../src/internal/schema-node.ts";

const shape = s.record("Flight", {
  origin: s.string,
  departure: s.timestamp,
  delay: s.int,
  ratio: s.double,
  late: s.boolean,
  note: s.string.optional(),
});
const runtime = schemaRuntime(json(shape));
const node: SchemaNode = {
  kind: "record",
  name: "Flight",
  fields: [
    { name: "origin", node: { kind: "string" }, default: undefined },
    { name: "departure", node: { kind: "timestamp" }, default: undefined },
    { name: "delay", node: { kind: "int" }, default: undefined },
    { name: "ratio", node: { kind: "double" }, default: undefined },
    { name: "late", node: { kind: "boolean" }, default: undefined },
    { name: "note", node: { kind: "optional", inner: { kind: "string" } }, default: undefined },
  ],
};
const scanner = compileJsonScanner(node);
if (scanner === undefined) throw new Error("a flat record can be scanned");

const usual = `{"origin":"JFK","departure":978310800000,"delay":-12,"ratio":0.25,"late":false,"note":null}`;
/** Scanned in the middle of a buffer: what lies around the record must not matter. */
const scanned = (text: string): unknown => {
  const body = Buffer.from(text, "utf8");
  return scanner(Buffer.concat([Buffer.from(`{"x`), body, Buffer.from(`"}9,0`)]), 3, 3 + body.length);
};
const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return "not JSON";
  }
};
const decoded = (text: string): unknown => {
  const body = Buffer.from(text, "utf8");
  try {
    return runtime.decode(Buffer.concat([Buffer.from("9"), body, Buffer.from("9")]), 1, 1 + body.length);
  } catch {
    return "refused";
  }
};

describe("the JSON scanner", () => {
  test("reads the usual form itself, as JSON.parse does", () => {
    expect(scanned(usual)).toEqual(JSON.parse(usual));
    const other = usual
      .replace("JFK", "O'Hare / terminal 1")
      .replace("-12", "0")
      .replace("0.25", "-1.5e-3")
      .replace("false", "true")
      .replace("null", '""');
    expect(scanned(other)).toEqual(JSON.parse(other));
    expect(Object.is((scanned(usual.replace("-12", "-0")) as { delay: number }).delay, -0)).toBe(true);
  });

  test.each([
    ["another order of fields", `{"departure":1,"origin":"a","delay":1,"ratio":1,"late":true,"note":null}`],
    ["white space", usual.replace(",", ", ")],
    ["an escape", usual.replace("JFK", "J\\u0046K")],
    ["a quote in a string", usual.replace("JFK", 'J\\"K')],
    ["text beyond ASCII", usual.replace("JFK", "Zürich")],
    ["a raw control character", usual.replace("JFK", "J\tK")],
    ["a leading zero", usual.replace("-12", "012")],
    ["a fraction where an integer belongs", usual.replace("-12", "1.5")],
    ["an integer in exponent form", usual.replace("-12", "1e1")],
    ["an int beyond 32 bits", usual.replace("-12", "4294967296")],
    ["more digits than are exact", usual.replace("978310800000", "9783108000001234567")],
    ["a number without digits", usual.replace("-12", "-")],
    ["a plus sign", usual.replace("-12", "+12")],
    ["a double without digits after the point", usual.replace("0.25", "1.")],
    ["a double beyond range", usual.replace("0.25", "1e999")],
    ["a missing field", usual.replace(`,"note":null`, "")],
    ["one field more", usual.replace("}", `,"more":1}`)],
    ["text after the end", `${usual} `],
    ["a cut end", usual.slice(0, -1)],
    ["nothing", ""],
    ["only a brace", "}"],
    ["a string that does not end", `{"origin":"JFK}`],
    ["true cut short", usual.replace("false", "tru")],
  ])("leaves %s to the general reader", (_what, text) => {
    expect(scanned(text)).toBeUndefined();
  });

  test("cut anywhere or with any byte changed, it never reads what JSON.parse would read otherwise", () => {
    for (let cut = 0; cut < usual.length; cut++) expect(scanned(usual.slice(0, cut))).toBeUndefined();
    let accepted = 0;
    for (let at = 0; at < usual.length; at++) {
      for (let byte = 32; byte < 127; byte++) {
        const text = usual.slice(0, at) + String.fromCharCode(byte) + usual.slice(at + 1);
        const value = scanned(text);
        if (value === undefined) continue;
        accepted++;
        expect(value).toEqual(parsed(text));
        expect(decoded(text)).toEqual(value);
      }
    }
    expect(accepted).toBeGreaterThan(100);
  });

  test("a schema's decode gives the same with and without it, for random values", () => {
    let seed = 7;
    const random = (n: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
      return seed % n;
    };
    const texts = ["", "a", "JFK", "with space", "é", "tab\t", 'quo"te', "back\\slash", "x".repeat(60), "😀", "\u007f"];
    for (let i = 0; i < 5_000; i++) {
      const value = {
        origin: texts[random(texts.length)] as string,
        departure: random(2) === 0 ? random(1_000_000_000) * 1000 : -random(1000),
        delay: random(2000) - 1000,
        ratio: [0, -0.5, 1e21, 5e-324, random(1000) / 7, -random(99)][random(6)] as number,
        late: random(2) === 0,
        note: random(2) === 0 ? null : (texts[random(texts.length)] as string),
      };
      const text = random(3) === 0 ? JSON.stringify(value, null, 1) : JSON.stringify(value);
      expect(decoded(text)).toEqual(JSON.parse(text));
    }
  });

  test("shapes that are not flat are not scanned", () => {
    expect(compileJsonScanner({ kind: "string" })).toBeUndefined();
    expect(
      compileJsonScanner({
        kind: "record",
        name: "R",
        fields: [{ name: "a", node: { kind: "array", item: { kind: "int" } }, default: undefined }],
      }),
    ).toBeUndefined();
  });
});
