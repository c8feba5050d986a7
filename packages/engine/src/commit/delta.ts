import { RepriseError } from "@reprise/schema";
import { decodeMeta, type TaskMeta } from "../task/task-meta.ts";

/** A chunk of a delta record stays well below Kafka's default of 1 MiB for a message. */
const chunkBytes = 512 * 1024;
const formatVersion = 1;

interface DeltaHeader {
  readonly task: number;
  readonly n: number;
  /** Chunk i of m, from 0. */
  readonly i: number;
  readonly m: number;
  /** Digests of the state before and after the commit. */
  readonly before: string;
  readonly after: string;
  /** On the last chunk: what the task is after the commit. */
  readonly meta?: TaskMeta;
}

/** A whole delta: the rows that commit `n` of a task changed, and what the task was after it. */
export interface Delta {
  readonly n: number;
  readonly before: string;
  readonly after: string;
  readonly meta: TaskMeta;
  /** Encoded rows, see RowBuffer. */
  readonly rows: Buffer;
}

/**
 * The records of a delta: [u8 format][u32 header length][header JSON][rows]. One record, or a few when the rows are large: a transaction keeps
 * them together.
 */
export function encodeDelta(before: TaskMeta, after: TaskMeta, rows: Buffer): Buffer[] {
  const m = Math.max(1, Math.ceil(rows.length / chunkBytes));
  const records: Buffer[] = [];
  for (let i = 0; i < m; i++) {
    const header: DeltaHeader = {
      task: after.partition,
      n: after.n,
      i,
      m,
      before: before.digest,
      after: after.digest,
      ...(i === m - 1 ? { meta: after } : {}),
    };
    const text = Buffer.from(JSON.stringify(header));
    const head = Buffer.allocUnsafe(5);
    head[0] = formatVersion;
    head.writeUInt32BE(text.length, 1);
    records.push(Buffer.concat([head, text, rows.subarray(i * chunkBytes, (i + 1) * chunkBytes)]));
  }
  return records;
}

/** Puts the records of a delta topic's partition together. Only whole deltas come out; a chunk out of order drops what was begun. */
export class DeltaAssembler {
  private begun: { readonly n: number; readonly m: number; readonly chunks: Buffer[] } | undefined;

  /** @throws RepriseError DELTAS_LOST when the record is no delta of a known format */
  add(value: Buffer): Delta | undefined {
    const { header, rows } = decodeRecord(value);
    if (header.i === 0) this.begun = { n: header.n, m: header.m, chunks: [] };
    if (this.begun === undefined || this.begun.n !== header.n || this.begun.chunks.length !== header.i) {
      this.begun = undefined;
      return undefined;
    }
    this.begun.chunks.push(rows);
    if (header.i < header.m - 1) return undefined;
    const whole = this.begun.chunks.length === 1 ? rows : Buffer.concat(this.begun.chunks);
    this.begun = undefined;
    const meta = header.meta === undefined ? undefined : decodeMeta(JSON.stringify(header.meta));
    if (meta === undefined)
      throw new RepriseError("DELTAS_LOST", `delta ${header.n} of task ${header.task} does not say what the task was after it`);
    return { n: header.n, before: header.before, after: header.after, meta, rows: whole };
  }
}

function decodeRecord(value: Buffer): { header: DeltaHeader; rows: Buffer } {
  if (value[0] !== formatVersion)
    throw new RepriseError("DELTAS_LOST", `a delta has format ${value[0]}, this release reads ${formatVersion}`);
  const length = value.readUInt32BE(1);
  return { header: JSON.parse(value.toString("utf8", 5, 5 + length)) as DeltaHeader, rows: value.subarray(5 + length) };
}
