import { Random } from "../support/random.ts";

/** What may be done to one call, with how often it is among a thousand calls. */
export type FaultKinds = { readonly [kind: string]: number };

/**
 * Which faults a run has. Each has a name that says where it is (`v1/0.2#57 crash-after`: the 57th call of that process), and whether it comes depends
 * on the seed and this name alone: leaving one out moves no other one, as far as the run stays the same.
 */
export class Faults {
  readonly injected: string[] = [];
  /** No more of them from here on: everything has to come to rest. */
  over = false;
  private readonly seed: number;
  private readonly rate: number;
  private readonly only: ReadonlySet<string> | undefined;

  /** @param only the faults that are allowed, by name; undefined: all that come */
  constructor(seed: number, rate: number, only?: ReadonlySet<string>) {
    this.seed = seed;
    this.rate = rate;
    this.only = only;
  }

  /** The fault that comes at a place, if one does. */
  at(place: string, kinds: FaultKinds): string | undefined {
    if (this.over || this.rate === 0) return undefined;
    let dice = this.random(place).next() * 1000;
    for (const kind in kinds) {
      dice -= (kinds[kind] as number) * this.rate;
      if (dice < 0) return this.allow(`${place} ${kind}`) ? kind : undefined;
    }
    return undefined;
  }

  /** Whether a fault that was planned comes; it counts as injected then. */
  allow(name: string): boolean {
    if (this.over || (this.only !== undefined && !this.only.has(name))) return false;
    this.injected.push(name);
    return true;
  }

  /** What else has to be drawn for a fault: the same whatever other faults there are. */
  random(place: string): Random {
    let hash = 0x811c9dc5 ^ this.seed;
    for (let i = 0; i < place.length; i++) hash = Math.imul(hash ^ place.charCodeAt(i), 0x01000193);
    return new Random(hash);
  }
}
