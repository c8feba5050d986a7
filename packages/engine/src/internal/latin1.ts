/** One character per byte: a string that maps and sorts as the bytes do. Node's own method, without `toString`'s look-up of the encoding. */
export function latin1(bytes: Buffer, start = 0, end: number = bytes.length): string {
  return (bytes as Buffer & { latin1Slice(start: number, end: number): string }).latin1Slice(start, end);
}

export function utf8(bytes: Buffer, start = 0, end: number = bytes.length): string {
  return (bytes as Buffer & { utf8Slice(start: number, end: number): string }).utf8Slice(start, end);
}
