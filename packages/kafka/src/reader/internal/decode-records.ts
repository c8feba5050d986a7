import type { BatchHeader } from "./record-batch.ts";

/** A record takes at least this: length, attributes, two deltas, two lengths, count of headers, one byte each. */
const recordMinBytes = 7;

/** The columns of one batch, without the names that the port adds. */
export interface DecodedRecords {
  readonly count: number;
  readonly offsets: Float64Array;
  readonly timestamps: Float64Array;
  readonly keyStarts: Int32Array;
  readonly keyLengths: Int32Array;
  readonly valueStarts: Int32Array;
  readonly valueLengths: Int32Array;
  readonly headerStarts: Int32Array;
}

function emptyColumns(capacity: number): DecodedRecords {
  // One allocation for all columns: seven of their own cost more than the decoding of a small batch. Not zeroed: only what was
  // written is below `count`.
  const memory = Buffer.allocUnsafeSlow(capacity * 36).buffer;
  return {
    count: 0,
    offsets: new Float64Array(memory, 0, capacity),
    timestamps: new Float64Array(memory, capacity * 8, capacity),
    keyStarts: new Int32Array(memory, capacity * 16, capacity),
    keyLengths: new Int32Array(memory, capacity * 20, capacity),
    valueStarts: new Int32Array(memory, capacity * 24, capacity),
    valueLengths: new Int32Array(memory, capacity * 28, capacity),
    headerStarts: new Int32Array(memory, capacity * 32, capacity),
  };
}

/**
 * Decodes the (decompressed) records of a batch from offset `from` on into columns over `data`. This is the innermost loop of a
 * replay; its varints are written out because calls that return two numbers would allocate.
 * @throws RangeError when the bytes are no records
 */
export function decodeRecords(data: Buffer, batch: BatchHeader, from: number): DecodedRecords {
  const { count, baseOffset, baseTimestamp } = batch;
  if (count < 0 || count * recordMinBytes > data.length)
    throw new RangeError(`A batch of ${data.length} bytes can't have ${count} records.`);
  const columns = emptyColumns(count);
  const { offsets, timestamps, keyStarts, keyLengths, valueStarts, valueLengths, headerStarts } = columns;
  const fixedTimestamp = batch.logAppendTime ? batch.maxTimestamp : undefined;
  const size = data.length;
  let at = 0;
  let kept = 0;
  for (let i = 0; i < count; i++) {
    let byte = data[at++] as number;
    let value = byte & 127;
    for (let shift = 7; byte > 127; shift += 7) {
      byte = data[at++] as number;
      value |= (byte & 127) << shift;
    }
    const length = (value >>> 1) ^ -(value & 1);
    const end = at + length;
    if (length < 6 || end > size) throw new RangeError(`Record ${i} does not lie within its batch.`);
    at++; // attributes: none are defined

    byte = data[at++] as number;
    let delta = byte & 127;
    for (let scale = 128; byte > 127; scale *= 128) {
      byte = data[at++] as number;
      delta += (byte & 127) * scale;
    }
    const timestamp = fixedTimestamp ?? baseTimestamp + (delta % 2 === 0 ? delta / 2 : -(delta + 1) / 2);

    byte = data[at++] as number;
    value = byte & 127;
    for (let shift = 7; byte > 127; shift += 7) {
      byte = data[at++] as number;
      value |= (byte & 127) << shift;
    }
    const offset = baseOffset + ((value >>> 1) ^ -(value & 1));

    byte = data[at++] as number;
    value = byte & 127;
    for (let shift = 7; byte > 127; shift += 7) {
      byte = data[at++] as number;
      value |= (byte & 127) << shift;
    }
    const keyLength = (value >>> 1) ^ -(value & 1);
    const keyStart = at;
    if (keyLength > 0) at += keyLength;

    byte = data[at++] as number;
    value = byte & 127;
    for (let shift = 7; byte > 127; shift += 7) {
      byte = data[at++] as number;
      value |= (byte & 127) << shift;
    }
    const valueLength = (value >>> 1) ^ -(value & 1);
    const valueStart = at;
    if (valueLength > 0) at += valueLength;
    if (keyLength < -1 || valueLength < -1 || at >= end) throw new RangeError(`The fields of record ${i} do not lie within it.`);

    if (offset >= from) {
      offsets[kept] = offset;
      timestamps[kept] = timestamp;
      keyStarts[kept] = keyStart;
      keyLengths[kept] = keyLength;
      valueStarts[kept] = valueStart;
      valueLengths[kept] = valueLength;
      headerStarts[kept] = at;
      kept++;
    }
    at = end;
  }
  return kept === 0 ? { ...columns, count: 0 } : { ...columns, count: kept };
}
