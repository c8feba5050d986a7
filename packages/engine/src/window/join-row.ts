import { latin1 } from "../internal/latin1.ts";
import { decodeNumber, encodeNumber } from "../state/ordered-key.ts";

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

const firstIds: { readonly [S in JoinSide]: string } = { left: "\0", right: "\u0001" };
const numberBytes = 4;
const firstNumber = "\0".repeat(numberBytes);
/** Above every character of a row id, which stands for a byte. */
const above = "\u0100";

/**
 * Row ids (latin1 of the subkey), [side][time][u32 number]: of each side by time, then arrival. The number is the contribution's place among those
 * of its side and time.
 */
export const firstIdAt = (side: JoinSide, timeMs: number): string => firstIds[side] + latin1(encodeNumber(timeMs)) + firstNumber;

/** Above all ids of the side with this time, below those with a later one. */
export const endOfIdsAt = (side: JoinSide, timeMs: number): string => firstIds[side] + latin1(encodeNumber(timeMs)) + above;

/** The id of the contribution that comes after the one with this id, of the same side and time. */
export function nextId(id: string): string {
  const bytes = Buffer.from(id, "latin1");
  const at = bytes.length - numberBytes;
  bytes.writeUInt32BE(bytes.readUInt32BE(at) + 1, at);
  return latin1(bytes);
}

export const timeOfJoinRow = (subkey: Buffer): number => decodeNumber(subkey.subarray(1));
