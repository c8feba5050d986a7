import { RepriseError } from "@reprise/schema";
import type { Accumulator } from "../accumulator.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { type KeptValue, Settled } from "./kept-value.ts";

/** Of the encoding below: others can follow. */
const format = 1;

/**
 * [u8 format][f64 count][u32 revision][f64 per number][values][u8 1 when it was emitted, and then f64 count, u32 revision, numbers and results of
 * what was emitted]. Little endian; values and results as their kinds write them.
 */
export function accumulatorCodec(
  window: string,
  numbersLength: number,
  kinds: readonly KeptValue[],
): { encode(accumulator: Accumulator): Buffer; decode(bytes: Buffer): Accumulator } {
  const initialBytes = 14 + 8 * numbersLength + 32 * kinds.length;
  const writeHead = (a: Accumulator, out: ByteWriter): void => {
    out.double(a.count);
    out.uint32(a.revision);
    out.doubles(a.numbers);
  };
  const readHead = (from: ByteReader): { count: number; revision: number; numbers: number[] } => {
    const count = from.double();
    const revision = from.uint32();
    const numbers: number[] = [];
    for (let i = 0; i < numbersLength; i++) numbers.push(from.double());
    return { count, revision, numbers };
  };
  return {
    encode(a) {
      const { emitted } = a;
      const out = new ByteWriter(emitted === undefined ? initialBytes : 2 * initialBytes);
      out.byte(format);
      writeHead(a, out);
      for (let i = 0; i < kinds.length; i++) (kinds[i] as KeptValue).codec.write(a.values[i], out);
      out.byte(emitted === undefined ? 0 : 1);
      if (emitted !== undefined) {
        writeHead(emitted, out);
        kinds.forEach((kind, i) => kind.resultCodec.write(resultOf(kind, emitted.values[i]), out));
      }
      return out.done();
    },
    decode(bytes) {
      if (bytes[0] !== format)
        throw new RepriseError("STATE_CORRUPT", `window ${window}: a row has format ${bytes[0]}, this release reads ${format}`);
      const from = new ByteReader(bytes);
      from.byte();
      const head = readHead(from);
      const values = kinds.map((kind) => kind.codec.read(from));
      if (from.byte() === 0) return { ...head, values, emitted: undefined };
      const emitted = { ...readHead(from), values: kinds.map((kind) => new Settled(kind.resultCodec.read(from))), emitted: undefined };
      return { ...head, values, emitted };
    },
  };
}

/** Of a value that is kept, and of one of which only the result is left. */
export const resultOf = (kind: KeptValue, kept: unknown): unknown => (kept instanceof Settled ? kept.result : kind.result(kept));
