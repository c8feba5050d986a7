import { RepriseError } from "@reprise/schema";
import { decodeMeta, encodeMeta, type TaskMeta } from "../task/task-meta.ts";

/** A record stays well below Kafka's default of 1 MiB, whatever a commit or a single row holds. */
const chunkBytes = 512 * 1024;
/** What delta topics take, whatever the cluster's default is: Kafka's own. A producer's batch is smaller. */
export const deltaMaxMessageBytes = 1_048_588;
/** 1: the meta stood in the header of the last chunk, which it could make too large. */
const formats = { metaInHeader: 1, current: 2 } as const;

interface DeltaHeader {
  readonly task: number;
  readonly n: number;
  /** Chunk i of m, from 0. */
  readonly i: number;
  readonly m: number;
  /** Digests of the state before and after the commit. */
  readonly before: string;
  readonly after: string;
  /** Of the format before: on the last chunk. */
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
 * The records of a delta: `[u8 format][u32 header length][header JSON][chunk]`. The chunks together are the body: `[u32 meta length][meta JSON][rows]`.
 * One record, or a few when the body is large: cut anywhere, also within a row, so that each is bounded; the transaction keeps them together.
 */
export function encodeDelta(before: TaskMeta, after: TaskMeta, rows: Buffer): Buffer[] {
  const meta = encodeMeta(after);
  const body = Buffer.allocUnsafe(4 + meta.length + rows.length);
  body.writeUInt32BE(meta.length);
  meta.copy(body, 4);
  rows.copy(body, 4 + meta.length);
  const m = Math.ceil(body.length / chunkBytes);
  return Array.from({ length: m }, (_, i) => {
    const header: DeltaHeader = { task: after.partition, n: after.n, i, m, before: before.digest, after: after.digest };
    const text = Buffer.from(JSON.stringify(header));
    const head = Buffer.allocUnsafe(5);
    head[0] = formats.current;
    head.writeUInt32BE(text.length, 1);
    return Buffer.concat([head, text, body.subarray(i * chunkBytes, (i + 1) * chunkBytes)]);
  });
}

/** Puts the records of a delta topic's partition together. Only whole deltas come out; a chunk out of order drops what was begun. */
export class DeltaAssembler {
  private begun: { readonly n: number; readonly m: number; readonly chunks: Buffer[] } | undefined;

  /** @throws RepriseError DELTAS_LOST when the record is no delta of a known format */
  add(value: Buffer): Delta | undefined {
    const { format, header, chunk } = decodeRecord(value);
    if (header.i === 0) this.begun = { n: header.n, m: header.m, chunks: [] };
    if (this.begun === undefined || this.begun.n !== header.n || this.begun.chunks.length !== header.i) {
      this.begun = undefined;
      return undefined;
    }
    this.begun.chunks.push(chunk);
    if (header.i < header.m - 1) return undefined;
    const whole = this.begun.chunks.length === 1 ? chunk : Buffer.concat(this.begun.chunks);
    this.begun = undefined;
    const at = format === formats.metaInHeader ? 0 : 4 + whole.readUInt32BE(0);
    const meta = decodeMeta(format === formats.metaInHeader ? JSON.stringify(header.meta ?? null) : whole.subarray(4, at));
    if (meta === undefined)
      throw new RepriseError("DELTAS_LOST", `delta ${header.n} of task ${header.task} does not say what the task was after it`);
    return { n: header.n, before: header.before, after: header.after, meta, rows: whole.subarray(at) };
  }
}

function decodeRecord(value: Buffer): { format: number; header: DeltaHeader; chunk: Buffer } {
  const format = value[0];
  if (format !== formats.metaInHeader && format !== formats.current)
    throw new RepriseError(
      "DELTAS_LOST",
      `a delta has format ${format}, this release reads ${formats.metaInHeader} and ${formats.current}`,
    );
  const length = value.readUInt32BE(1);
  return { format, header: JSON.parse(value.toString("utf8", 5, 5 + length)) as DeltaHeader, chunk: value.subarray(5 + length) };
}
