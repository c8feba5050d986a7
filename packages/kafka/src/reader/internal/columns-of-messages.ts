import type { Message } from "@confluentinc/kafka-javascript";
import type { RecordColumns } from "@reprise/engine";

type Part = Buffer | string | null | undefined;

const bytesOf = (part: Part): Buffer | undefined =>
  part === null || part === undefined ? undefined : typeof part === "string" ? Buffer.from(part) : part;

function pushVarint(parts: Buffer[], value: number): void {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  const bytes: number[] = [];
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128);
  bytes.push(rest);
  parts.push(Buffer.from(bytes));
}

/** Headers in Kafka's own form, so that `readHeaders` reads those of either reader. */
function encodeHeaders(message: Message): Buffer {
  const parts: Buffer[] = [];
  const headers = (message.headers ?? []).flatMap((header) => Object.entries(header));
  pushVarint(parts, headers.length);
  for (const [name, value] of headers) {
    const nameBytes = Buffer.from(name);
    const valueBytes = bytesOf(value as Part);
    pushVarint(parts, nameBytes.length);
    parts.push(nameBytes);
    pushVarint(parts, valueBytes?.length ?? -1);
    if (valueBytes !== undefined) parts.push(valueBytes);
  }
  return Buffer.concat(parts);
}

/** Copies the messages of one partition into columns over a buffer of their own. */
export function columnsOfMessages(topic: string, partition: number, messages: readonly Message[], nextOffset: number): RecordColumns {
  const count = messages.length;
  const parts: Buffer[] = [];
  const columns = {
    offsets: new Float64Array(count),
    timestamps: new Float64Array(count),
    keyStarts: new Int32Array(count),
    keyLengths: new Int32Array(count),
    valueStarts: new Int32Array(count),
    valueLengths: new Int32Array(count),
    headerStarts: new Int32Array(count),
  };
  let at = 0;
  const place = (part: Buffer | undefined): number => {
    const start = at;
    if (part !== undefined) {
      parts.push(part);
      at += part.length;
    }
    return start;
  };
  messages.forEach((message, i) => {
    const key = bytesOf(message.key as Part);
    const value = bytesOf(message.value);
    columns.offsets[i] = message.offset;
    columns.timestamps[i] = message.timestamp ?? -1;
    columns.keyStarts[i] = place(key);
    columns.keyLengths[i] = key?.length ?? -1;
    columns.valueStarts[i] = place(value);
    columns.valueLengths[i] = value?.length ?? -1;
    columns.headerStarts[i] = place(encodeHeaders(message));
  });
  return { topic, partition, count, nextOffset, bytes: Buffer.concat(parts, at), ...columns };
}
