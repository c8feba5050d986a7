import { RepriseError } from "../errors/reprise-error.ts";
import { misfit } from "./misfit.ts";
import { utf8Text } from "./utf8-text.ts";

/** @throws RepriseError SCHEMA_INVALID when the text is not JSON */
export function parseJson(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new RepriseError("SCHEMA_INVALID", `${name}: expected JSON, got ${text.length === 0 ? "no bytes" : (cause as Error).message}`, {
      details: { path: name, expected: "JSON" },
      cause,
    });
  }
}

/** @throws RepriseError SCHEMA_INVALID when the bytes are not UTF-8 */
export function jsonTextOf(bytes: Buffer, start: number, end: number, name: string): string {
  try {
    return utf8Text(bytes, start, end);
  } catch (cause) {
    if (cause !== misfit) throw cause;
    throw new RepriseError("SCHEMA_INVALID", `${name}: expected UTF-8, got other bytes`, { details: { path: name, expected: "UTF-8" } });
  }
}
