import { latin1 } from "../internal/latin1.ts";
import { RepriseError } from "@reprise/schema";
import { decodeNumber, encodeNumber } from "../state/ordered-key.ts";
import type { SlotCodec } from "../state/task-state.ts";
import { ByteReader, ByteWriter } from "./aggregates/bytes.ts";

/**
 * The items of one window declaration are rows of a slot of their own, three kinds per key: a head without a subkey, the place of each item under
 * (tag, id), and the items under (tag, time, number of the put), so that those of a window are one range.
 */
export class ItemsHead {
  /** Number of the next put. Begins at 0 again when the key has no items any more. */
  readonly next: number;
  readonly count: number;

  constructor(next: number, count: number) {
    this.next = next;
    this.count = count;
  }
}

/** Where an item stands. */
export class ItemPlace {
  readonly timeMs: number;
  readonly put: number;

  constructor(timeMs: number, put: number) {
    this.timeMs = timeMs;
    this.put = put;
  }
}

/** What was put. */
export class ItemContent {
  /** Its encoded id, one character per byte. */
  readonly id: string;
  /** Start of the first window that took it: it was late for those before. Of sessions 0: they have their items by time. */
  readonly firstStart: number;
  /** As `encodeContribution` has them. */
  readonly values: Buffer;

  constructor(id: string, firstStart: number, values: Buffer) {
    this.id = id;
    this.firstStart = firstStart;
    this.values = values;
  }
}

export const headId = "";

const placeTag = 1;
const contentTag = 2;
const putBytes = 6;

/** Row id of the place of an item. @param id encoded, one character per byte */
export const placeId = (id: string): string => String.fromCharCode(placeTag) + id;

/** Row id of an item's content. Sorts by time, then by put. */
export const contentId = ({ timeMs, put }: ItemPlace): string => {
  const out = Buffer.allocUnsafe(9 + putBytes);
  out[0] = contentTag;
  out.set(encodeNumber(timeMs), 1);
  out.writeUIntBE(put, 9, putBytes);
  return latin1(out);
};

export const placeOf = (contentSubkey: Buffer): ItemPlace =>
  new ItemPlace(decodeNumber(contentSubkey.subarray(1)), contentSubkey.readUIntBE(9, putBytes));

/** Contents of all times. */
export const allContents = { from: Buffer.of(contentTag), to: Buffer.of(contentTag + 1) };

/** Contents of times in [fromMs, toMs). */
export const contentsBetween = (fromMs: number, toMs: number): { from: Buffer; to: Buffer } => ({
  from: Buffer.concat([allContents.from, encodeNumber(fromMs)]),
  to: Buffer.concat([allContents.from, encodeNumber(toMs)]),
});

/** Contents of times in [firstMs, lastMs]. */
export const contentsWithin = (firstMs: number, lastMs: number): { from: Buffer; to: Buffer } => ({
  from: Buffer.concat([allContents.from, encodeNumber(firstMs)]),
  // After every put at the last time.
  to: Buffer.concat([allContents.from, encodeNumber(lastMs), Buffer.alloc(putBytes + 1, 0xff)]),
});

/** [u8 0][f64 next][f64 count] · [u8 1][f64 time][f64 put] · [u8 2][f64 first start][varint id length][id][values], little endian. */
export const itemCodec: SlotCodec = {
  kind: "entries",
  encode(row) {
    const out = new ByteWriter(64);
    if (row instanceof ItemsHead) {
      out.byte(0);
      out.double(row.next);
      out.double(row.count);
    } else if (row instanceof ItemPlace) {
      out.byte(placeTag);
      out.double(row.timeMs);
      out.double(row.put);
    } else {
      const { id, firstStart, values } = row as ItemContent;
      out.byte(contentTag);
      out.double(firstStart);
      out.latin1(id);
      out.raw(values);
    }
    return out.done();
  },
  decode(bytes) {
    const from = new ByteReader(bytes);
    const tag = from.byte();
    if (tag === 0) return new ItemsHead(from.double(), from.double());
    if (tag === placeTag) return new ItemPlace(from.double(), from.double());
    if (tag !== contentTag) throw new RepriseError("STATE_CORRUPT", `an item of a window has a row of an unknown kind, ${tag}`);
    const firstStart = from.double();
    const id = from.latin1();
    // A copy: the bytes are the store's.
    return new ItemContent(id, firstStart, Buffer.from(bytes.subarray(from.skip(0))));
  },
};
