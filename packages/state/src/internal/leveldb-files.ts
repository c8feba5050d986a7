import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { RepriseError } from "@reprise/schema";
import { loadNative } from "./load-native.ts";

/** CRC-32C (Castagnoli), unsigned. */
type Crc32c = (bytes: Uint8Array) => number;

let crc32c: Crc32c = () => {
  throw new Error("loadLevelDbChecks was not called");
};

/** Loads the native code. @throws RepriseError ENGINE_MISSING */
export function loadLevelDbChecks(): void {
  ({ crc32c } = loadNative("@node-rs/crc32", "leveldb") as { crc32c: Crc32c });
}

/** Of the log format, which manifests have, too: blocks of this size, records that never cross them. */
const logBlockBytes = 32_768;
const recordHeaderBytes = 7;
/** Behind each block of a table: its compression, and its checksum. */
const blockTrailerBytes = 5;
const footerBytes = 48;
const tableMagic = Buffer.from("57fb808b247547db", "hex");

/**
 * Checks all checksums in the files of a LevelDB that is not open. LevelDB itself passes over what is damaged, or, when a compaction meets it, ends
 * the process by an assertion: so a damaged store must not be opened at all. Reads every file once, at about the speed of the disk.
 * Formats: doc/table_format.md and doc/log_format.md of LevelDB.
 * @throws RepriseError STATE_CORRUPT naming the file
 */
export async function verifyLevelDbFiles(folder: string): Promise<void> {
  const files = await readdir(folder).catch(() => [] as string[]);
  for (const file of files) {
    const check = /\.(ldb|sst)$/.test(file) ? tableFault : /\.log$|^MANIFEST-/.test(file) ? logFault : undefined;
    const fault = check?.(await readFile(join(folder, file)));
    if (fault !== undefined) {
      throw new RepriseError("STATE_CORRUPT", `The store in ${folder} is corrupt: ${fault} in its file ${file}.`, {
        details: { folder, file },
      });
    }
  }
}

/** What is wrong with a table file; undefined: nothing. Every byte of it lies in one of the blocks, or in the footer. */
function tableFault(bytes: Buffer): string | undefined {
  const footerAt = bytes.length - footerBytes;
  if (footerAt < 0 || !bytes.subarray(-tableMagic.length).equals(tableMagic)) return "no footer";
  try {
    const footer = new Cursor(bytes, footerAt);
    const [metaIndex, index] = [footer.handle(), footer.handle()];
    let covered = footerBytes + checkedBlock(bytes, metaIndex).length + checkedBlock(bytes, index).length + 2 * blockTrailerBytes;
    for (const block of [metaIndex, index]) {
      for (const handle of handlesIn(checkedBlock(bytes, block))) covered += checkedBlock(bytes, handle).length + blockTrailerBytes;
    }
    return covered === bytes.length ? undefined : "bytes that belong to no block";
  } catch (error) {
    if (error instanceof RangeError) return error.message;
    throw error;
  }
}

interface Handle {
  readonly offset: number;
  readonly size: number;
}

/** @throws RangeError */
function checkedBlock(bytes: Buffer, { offset, size }: Handle): Buffer {
  const end = offset + size;
  if (end + blockTrailerBytes > bytes.length) throw new RangeError("a block beyond its end");
  if (bytes.readUInt32LE(end + 1) !== masked(bytes.subarray(offset, end + 1))) throw new RangeError("a block with a wrong checksum");
  return bytes.subarray(offset, end);
}

/** The values of an index block, which are handles: entries with shared key prefixes, then the offsets of restarts and their number. */
function* handlesIn(block: Buffer): Generator<Handle> {
  const end = block.length - 4 - 4 * block.readUInt32LE(block.length - 4);
  for (const cursor = new Cursor(block, 0); cursor.at < end; ) {
    cursor.varint();
    const [keyBytes, valueBytes] = [cursor.varint(), cursor.varint()];
    const value = cursor.at + keyBytes;
    yield new Cursor(block, value).handle();
    cursor.at = value + valueBytes;
  }
}

class Cursor {
  at: number;
  private readonly bytes: Buffer;

  constructor(bytes: Buffer, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.bytes.readUInt8(this.at++);
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  }

  handle(): Handle {
    return { offset: this.varint(), size: this.varint() };
  }
}

/** What is wrong with a log or manifest. A record that the file's end cuts off is what a killed process leaves, and was acknowledged to nobody. */
function logFault(bytes: Buffer): string | undefined {
  let at = 0;
  while (at < bytes.length) {
    const blockEnd = at - (at % logBlockBytes) + logBlockBytes;
    if (blockEnd - at < recordHeaderBytes) {
      at = blockEnd;
      continue;
    }
    if (at + recordHeaderBytes > bytes.length) return undefined;
    const end = at + recordHeaderBytes + bytes.readUInt16LE(at + 4);
    if (end > blockEnd) return "a record with a wrong length";
    if (end > bytes.length) return undefined;
    // Of the type, and of what follows it.
    if (bytes.readUInt32LE(at) !== masked(bytes.subarray(at + 6, end))) return "a record with a wrong checksum";
    at = end;
  }
  return undefined;
}

/** As LevelDB stores checksums: of bytes that hold checksums themselves, the plain one would be weak. */
function masked(bytes: Buffer): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
