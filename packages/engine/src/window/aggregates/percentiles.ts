import type { ByteReader, ByteWriter } from "./bytes.ts";
import type { KeptValue } from "./kept-value.ts";
import { addValue, mergeSketches, percentilesOf, type QuantileSketch, readSketch, writeSketch } from "./quantile-sketch.ts";

/** The percentiles of one field, from one sketch; the result is their values in the order of `percents`. `add` takes numbers only. */
export function percentiles(percents: readonly number[]): KeptValue {
  return {
    initial: undefined,
    add: (kept, given) => addValue(kept as QuantileSketch | undefined, given as number),
    merge: (into, from) => mergeSketches(into as QuantileSketch | undefined, from as QuantileSketch | undefined),
    result: (kept) => percentilesOf(kept as QuantileSketch | undefined, percents),
    codec: { write: (value, out) => writeSketch(value as QuantileSketch | undefined, out), read: readSketch },
    resultCodec: {
      write: (values, out: ByteWriter) => (values as number[]).forEach((v) => out.double(v)),
      read: (from: ByteReader) => percents.map(() => from.double()),
    },
  };
}
