import { crc32 } from "node:zlib";
import { RepriseError } from "@reprise/schema";

/** CRC-32 in front of the value. */
const sealBytes = 4;

/** A value as it is stored: with a checksum over the key's length, key and value, so that a value under another key shows, too. */
export function seal(key: Uint8Array, value: Uint8Array): Buffer {
  const sealed = Buffer.allocUnsafe(sealBytes + value.length);
  sealed.writeUInt32LE(checksum(key, value), 0);
  sealed.set(value, sealBytes);
  return sealed;
}

/** A view of the value in `sealed`. @throws RepriseError STATE_CORRUPT */
export function unseal(key: Uint8Array, sealed: Uint8Array, folder: string): Uint8Array {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  const value = bytes.subarray(Math.min(sealBytes, bytes.length));
  if (bytes.length >= sealBytes && bytes.readUInt32LE(0) === checksum(key, value)) return value;
  throw new RepriseError(
    "STATE_CORRUPT",
    `The store in ${folder} is corrupt: the row ${Buffer.from(key).toString("hex")} has a wrong checksum.`,
    {
      details: { folder },
    },
  );
}

function checksum(key: Uint8Array, value: Uint8Array): number {
  const ofKey = crc32(key, key.length);
  // zlib takes no bytes for a reset.
  return value.length === 0 ? ofKey : crc32(value, ofKey);
}
