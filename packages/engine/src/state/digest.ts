/** A 128-bit number as four unsigned 32-bit words, least significant first. */
export type Digest128 = Uint32Array;

/** Where `hash128` leaves its result: read it before the next call. One buffer, so that hashing a row allocates nothing. */
export const hashResult: Uint32Array = new Uint32Array(4);

const c1 = 0x239b961b;
const c2 = 0xab0e9789;
const c3 = 0x38b34ae5;
const c4 = 0xa1e38b93;

const rotl = (x: number, r: number): number => (x << r) | (x >>> (32 - r));
const fmix = (h: number): number => {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
};

/**
 * MurmurHash3 x86 128 (Austin Appleby, public domain) of `bytes[start, end)` into `hashResult`. Not cryptographic: digests find faults, they
 * don't keep out an attacker.
 */
export function hash128(bytes: Uint8Array, start: number, end: number, seed: number): void {
  const length = end - start;
  const blocksEnd = start + (length & ~15);
  let h1 = seed | 0;
  let h2 = h1;
  let h3 = h1;
  let h4 = h1;
  let p = start;
  for (; p < blocksEnd; p += 16) {
    let k = word(bytes, p);
    h1 ^= Math.imul(rotl(Math.imul(k, c1), 15), c2);
    h1 = (Math.imul((rotl(h1, 19) + h2) | 0, 5) + 0x561ccd1b) | 0;
    k = word(bytes, p + 4);
    h2 ^= Math.imul(rotl(Math.imul(k, c2), 16), c3);
    h2 = (Math.imul((rotl(h2, 17) + h3) | 0, 5) + 0x0bcaa747) | 0;
    k = word(bytes, p + 8);
    h3 ^= Math.imul(rotl(Math.imul(k, c3), 17), c4);
    h3 = (Math.imul((rotl(h3, 15) + h4) | 0, 5) + 0x96cd1c35) | 0;
    k = word(bytes, p + 12);
    h4 ^= Math.imul(rotl(Math.imul(k, c4), 18), c1);
    h4 = (Math.imul((rotl(h4, 13) + h1) | 0, 5) + 0x32ac3b17) | 0;
  }
  const rest = length & 15;
  if (rest > 12) h4 ^= Math.imul(rotl(Math.imul(tail(bytes, p + 12, rest - 12), c4), 18), c1);
  if (rest > 8) h3 ^= Math.imul(rotl(Math.imul(tail(bytes, p + 8, Math.min(4, rest - 8)), c3), 17), c4);
  if (rest > 4) h2 ^= Math.imul(rotl(Math.imul(tail(bytes, p + 4, Math.min(4, rest - 4)), c2), 16), c3);
  if (rest > 0) h1 ^= Math.imul(rotl(Math.imul(tail(bytes, p, Math.min(4, rest)), c1), 15), c2);
  h1 ^= length;
  h2 ^= length;
  h3 ^= length;
  h4 ^= length;
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = (h2 + h1) | 0;
  h3 = (h3 + h1) | 0;
  h4 = (h4 + h1) | 0;
  h1 = fmix(h1);
  h2 = fmix(h2);
  h3 = fmix(h3);
  h4 = fmix(h4);
  h1 = (h1 + h2 + h3 + h4) | 0;
  hashResult[0] = h1;
  hashResult[1] = h2 + h1;
  hashResult[2] = h3 + h1;
  hashResult[3] = h4 + h1;
}

function word(b: Uint8Array, p: number): number {
  return (b[p] as number) | ((b[p + 1] as number) << 8) | ((b[p + 2] as number) << 16) | ((b[p + 3] as number) << 24);
}

function tail(b: Uint8Array, p: number, n: number): number {
  let k = 0;
  for (let i = n - 1; i >= 0; i--) k = (k << 8) | (b[p + i] as number);
  return k;
}

/** sum += value (mod 2^128). */
export function addDigest(sum: Digest128, value: ArrayLike<number>): void {
  let carry = 0;
  for (let i = 0; i < 4; i++) {
    const t = (sum[i] as number) + (value[i] as number) + carry;
    sum[i] = t;
    carry = t > 0xffffffff ? 1 : 0;
  }
}

/** sum −= value (mod 2^128). */
export function subtractDigest(sum: Digest128, value: ArrayLike<number>): void {
  let borrow = 0;
  for (let i = 0; i < 4; i++) {
    const t = (sum[i] as number) - (value[i] as number) - borrow;
    sum[i] = t;
    borrow = t < 0 ? 1 : 0;
  }
}

/** 32 hex digits, most significant first. */
export function digestToHex(d: Digest128): string {
  let text = "";
  for (let i = 3; i >= 0; i--) text += (d[i] as number).toString(16).padStart(8, "0");
  return text;
}

export function digestFromHex(text: string): Digest128 {
  const d = new Uint32Array(4);
  for (let i = 0; i < 4; i++) d[3 - i] = Number.parseInt(text.slice(i * 8, i * 8 + 8), 16);
  return d;
}
