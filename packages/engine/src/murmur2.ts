const m = 0x5bd1e995;
const seed = 0x9747b28c;

/**
 * Kafka's murmur2 of the bytes, as Java's client computes it (`org.apache.kafka.common.utils.Utils.murmur2`): a signed 32-bit
 * integer. It decides in which partition a key is, for every client that places keys as Java does.
 */
export function murmur2(bytes: Uint8Array): number {
  const length = bytes.length;
  let h = seed ^ length;
  const wholeWords = length & ~3;
  for (let i = 0; i < wholeWords; i += 4) {
    // The indices are below the length.
    let k = (bytes[i] as number) | ((bytes[i + 1] as number) << 8) | ((bytes[i + 2] as number) << 16) | ((bytes[i + 3] as number) << 24);
    k = Math.imul(k, m);
    k ^= k >>> 24;
    h = Math.imul(h, m) ^ Math.imul(k, m);
  }
  const rest = length - wholeWords;
  if (rest === 3) h ^= (bytes[wholeWords + 2] as number) << 16;
  if (rest >= 2) h ^= (bytes[wholeWords + 1] as number) << 8;
  if (rest >= 1) h = Math.imul(h ^ (bytes[wholeWords] as number), m);
  h = Math.imul(h ^ (h >>> 13), m);
  return h ^ (h >>> 15);
}

/** The partition of a key as Java's default partitioner chooses it. `partitions` is at least 1. */
export function partitionForKey(key: Uint8Array, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions;
}
