const quote = 0x22;
const backslash = 0x5c;

/**
 * The text of a top-level field of the JSON object in bytes[start, end), without parsing the rest; of several with this name the first. Undefined when
 * there is none, when it is no string, and when the bytes stop being JSON before it: whoever decodes the whole says what is wrong.
 * @param name the field's name as JSON text, with its quotes
 */
export function jsonStringField(bytes: Buffer, start: number, end: number, name: Buffer): string | undefined {
  let p = skipSpace(bytes, start, end);
  if (bytes[p] !== 0x7b) return undefined;
  for (p = skipSpace(bytes, p + 1, end); p < end && bytes[p] === quote; p = skipSpace(bytes, p + 1, end)) {
    const keyEnd = stringEnd(bytes, p, end);
    const found = isName(bytes, p, keyEnd, name);
    p = skipSpace(bytes, keyEnd, end);
    if (bytes[p] !== 0x3a) return undefined;
    p = skipSpace(bytes, p + 1, end);
    if (found) return bytes[p] === quote ? stringText(bytes, p, stringEnd(bytes, p, end)) : undefined;
    p = skipSpace(bytes, valueEnd(bytes, p, end), end);
    if (bytes[p] !== 0x2c) return undefined;
  }
  return undefined;
}

function skipSpace(bytes: Buffer, start: number, end: number): number {
  let p = start;
  while (p < end && (bytes[p] === 0x20 || bytes[p] === 0x0a || bytes[p] === 0x0d || bytes[p] === 0x09)) p++;
  return p;
}

/** One beyond the closing quote of the string that begins at `start`. */
function stringEnd(bytes: Buffer, start: number, end: number): number {
  let p = start + 1;
  while (p < end && bytes[p] !== quote) p += bytes[p] === backslash ? 2 : 1;
  return Math.min(p + 1, end);
}

function valueEnd(bytes: Buffer, start: number, end: number): number {
  let depth = 0;
  let p = start;
  while (p < end) {
    const c = bytes[p];
    if (c === quote) {
      p = stringEnd(bytes, p, end);
      continue;
    }
    if (depth === 0 && (c === 0x2c || c === 0x7d || c === 0x5d)) return p;
    if (c === 0x7b || c === 0x5b) depth++;
    else if (c === 0x7d || c === 0x5d) depth--;
    p++;
  }
  return p;
}

/** Names that are written with escapes are compared as text. */
function isName(bytes: Buffer, start: number, end: number, name: Buffer): boolean {
  let i = 0;
  while (start + i < end && bytes[start + i] !== backslash && bytes[start + i] === name[i]) i++;
  if (start + i === end) return i === name.length;
  for (let p = start + i; p < end; p++)
    if (bytes[p] === backslash) return stringText(bytes, start, end) === JSON.parse(name.toString("utf8"));
  return false;
}

function stringText(bytes: Buffer, start: number, end: number): string | undefined {
  const text = bytes.toString("utf8", start + 1, end - 1);
  if (!text.includes("\\")) return text;
  try {
    return JSON.parse(`"${text}"`) as string;
  } catch {
    return undefined;
  }
}
