import { latin1 } from "../internal/latin1.ts";
import { readNumber, writeNumber } from "../state/ordered-key.ts";

export type JoinSide = "left" | "right";

/** One contribution to a join, as it is stored; its side and time are in its row's subkey. */
export class JoinRow {
  /** Kept only of a side whose unmatched contributions are told of. */
  readonly matched: boolean;
  /** The value, encoded: who gets it gets one of their own, and the same one after a restart. */
  readonly bytes: Buffer;

  constructor(matched: boolean, bytes: Buffer) {
    this.matched = matched;
    this.bytes = bytes;
  }
}

/** [u8 matched][value] */
export const joinRowCodec = {
  encode(value: unknown): Buffer {
    const { matched, bytes } = value as JoinRow;
    const out = Buffer.allocUnsafe(1 + bytes.length);
    out[0] = matched ? 1 : 0;
    out.set(bytes, 1);
    return out;
  },
  decode: (bytes: Buffer): JoinRow => new JoinRow(bytes[0] === 1, Buffer.from(bytes.subarray(1))),
};

const timeAt = 1;
const numberAt = 9;
const idBytes = 13;
const scratch = Buffer.alloc(idBytes);
/** Above every character of a row id, which stands for a byte. */
const above = "\u0100";

/**
 * Row ids (latin1 of the subkey), [side][time][u32 number]: of each side by time, then arrival. The number is the contribution's place among those
 * of its side and time.
 */
export function joinRowId(side: JoinSide, timeMs: number, number: number): string {
  scratch[0] = side === "left" ? 0 : 1;
  writeNumber(scratch, timeMs, timeAt);
  scratch.writeUInt32BE(number, numberAt);
  return latin1(scratch);
}

/** Above all ids of the side with this time, below those with a later one. */
export const endOfIdsAt = (side: JoinSide, timeMs: number): string => joinRowId(side, timeMs, 0).slice(0, numberAt) + above;

export const timeOfJoinRow = (subkey: Buffer): number => readNumber(subkey, timeAt);
export const numberOfJoinRow = (subkey: Buffer): number => subkey.readUInt32BE(numberAt);
