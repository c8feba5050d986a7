import { latin1 } from "../internal/latin1.ts";
import { decodeNumber, encodeNumber } from "../state/ordered-key.ts";

/** Far more than are open at a time is a sign of times all over the place. */
const maxCached = 10_000;

/** Row ids (latin1 of the subkey) of window starts, made once and kept. */
export class StartIds {
  private readonly ids = new Map<number, string>();
  private readonly starts = new Map<string, number>();

  id(start: number): string {
    return this.ids.get(start) ?? this.remember(start, latin1(encodeNumber(start)));
  }

  /** The start that an id was made from: of a row's subkey, of which only the first 8 bytes count. */
  start(id: string): number {
    const known = this.starts.get(id);
    if (known !== undefined) return known;
    const start = decodeNumber(Buffer.from(id, "latin1"));
    if (id.length === 8) this.remember(start, id);
    return start;
  }

  private remember(start: number, id: string): string {
    if (this.ids.size >= maxCached) {
      this.ids.clear();
      this.starts.clear();
    }
    this.ids.set(start, id);
    this.starts.set(id, start);
    return id;
  }
}
