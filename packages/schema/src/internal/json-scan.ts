/** Strings up to this length are looked for among those seen before. */
const internLength = 24;
/** A power of two. */
const internSlots = 4096;
const interned: (string | undefined)[] = Array.from({ length: internSlots }, () => undefined);

type Sliceable = Uint8Array & { latin1Slice(start: number, end: number): string };

/**
 * The text of ASCII bytes[start, end), whose FNV-1a hash is `hash`. Short texts come back as the very string that was made before, when they
 * repeat (codes, names, ids of hot keys): nothing is allocated, and maps find them quicker. Direct-mapped and bounded.
 */
export function shortText(bytes: Uint8Array, start: number, end: number, hash: number): string {
  const length = end - start;
  if (length === 0) return "";
  if (length > internLength) return (bytes as Sliceable).latin1Slice(start, end);
  const slot = (hash ^ (hash >>> 15)) & (internSlots - 1);
  const known = interned[slot];
  if (known !== undefined && known.length === length) {
    let i = 0;
    while (i < length && known.charCodeAt(i) === bytes[start + i]) i++;
    if (i === length) return known;
  }
  const text = (bytes as Sliceable).latin1Slice(start, end);
  interned[slot] = text;
  return text;
}

const jsonNumber = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;
let decimalEnd = 0;

/** The JSON number that begins at `start`; NaN when there is none. `jsonDecimalEnd` tells where it ended. */
export function jsonDecimal(bytes: Uint8Array, start: number, end: number): number {
  let p = start;
  while (p < end) {
    const c = bytes[p] as number;
    if ((c < 48 || c > 57) && c !== 45 && c !== 46 && c !== 43 && c !== 101 && c !== 69) break;
    p++;
  }
  decimalEnd = p;
  const text = (bytes as Sliceable).latin1Slice(start, p);
  return jsonNumber.test(text) ? Number(text) : Number.NaN;
}

export function jsonDecimalEnd(): number {
  return decimalEnd;
}
