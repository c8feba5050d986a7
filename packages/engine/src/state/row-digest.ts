import type { StoredRow } from "../ports/state-store.ts";
import { addDigest, digestToHex, hash128, hashResult } from "./digest.ts";
import { RowBuffer } from "./row-buffer.ts";
import { parseRowKey } from "./row-key.ts";

/** The digest over stored rows, as a task computes it from what it changes. */
export class RowDigest {
  private readonly seed: number;
  private readonly sum = new Uint32Array(4);
  private readonly scratch = new RowBuffer(4096);

  /** @param seed the task's partition */
  constructor(seed: number) {
    this.seed = seed;
  }

  add(row: StoredRow): void {
    const { scratch } = this;
    const { slot, key, subkey } = parseRowKey(row.key);
    scratch.clear();
    const at = scratch.beginRow(slot, key, subkey.length === 0 ? undefined : subkey);
    scratch.endRow(row.value);
    hash128(scratch.bytes, at, scratch.length, this.seed);
    addDigest(this.sum, hashResult);
  }

  /** 32 hex digits. */
  get hex(): string {
    return digestToHex(this.sum);
  }
}
