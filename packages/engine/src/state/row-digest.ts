import type { StoredRow } from "../ports/state-store.ts";
import { addDigest, digestToHex, hash128, hashResult } from "./digest.ts";
import { RowBuffer } from "./row-buffer.ts";

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
    scratch.clear();
    const at = scratch.beginStored(row.key);
    scratch.endRow(row.value);
    hash128(scratch.bytes, at, scratch.length, this.seed);
    addDigest(this.sum, hashResult);
  }

  /** 32 hex digits. */
  get hex(): string {
    return digestToHex(this.sum);
  }
}
