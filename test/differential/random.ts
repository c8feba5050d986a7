import { Random as SeededRandom } from "../support/random.ts";

/** The same seed gives the same case on every machine. Neighbouring seeds begin far from each other. */
export class Random extends SeededRandom {
  constructor(seed: number) {
    super(Math.imul(seed, 0x9e3779b1));
  }

  /** An integer of from … to. */
  between(from: number, to: number): number {
    return from + this.below(to - from + 1);
  }
}
