import { Random } from "../differential/random.ts";

export interface InputRecord {
  readonly topic: "moves" | "notices";
  readonly key: string;
  readonly value: object;
}

/** Half of everything happens to these. */
const busyAccounts = 60;
const accounts = 3_000;
const shops = 8;

/** What happens to accounts, the same for the same seed: a few are busy, most are seen now and then, some are closed and begin anew. */
export class LedgerInput {
  readonly #random: Random;
  #seq = 0;

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  next(): InputRecord {
    const random = this.#random;
    const seq = ++this.#seq;
    const key = `a${random.below(random.chance(0.5) ? busyAccounts : accounts)}`;
    if (random.chance(0.25)) {
      return { topic: "notices", key, value: { seq, text: `note ${random.below(1000)}`, close: random.chance(0.1) } };
    }
    return { topic: "moves", key, value: { seq, cents: random.below(20_000) - 8_000, shop: `shop ${random.below(shops)}` } };
  }
}
