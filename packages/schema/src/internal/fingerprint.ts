import { createHash } from "node:crypto";
import type { SchemaFormat } from "../schema-runtime.ts";

/** 128 bits are enough to tell schemas apart, and short enough to show. */
const hexDigits = 32;

/** Over format and shape: the same Avro schema as JSON and as Avro binary are not the same bytes. */
export function fingerprintOf(format: SchemaFormat, shape: unknown): string {
  return createHash("sha256")
    .update(`${format}\n${JSON.stringify(canonical(shape))}`)
    .digest("hex")
    .slice(0, hexDigits);
}

/** Object keys sorted, so that the order in which attributes were written does not matter. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(([key, held]) => [key, canonical(held)]),
  );
}
