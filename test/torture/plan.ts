import { Random } from "../differential/random.ts";
import { type ApiName, apiKeys, type RequestFault } from "./broker-proxy.ts";

/** One thing that goes wrong, or that an operator does. `pick` chooses among whom it can happen to then: a number of 0 … 1. */
export type Fault =
  | { readonly kind: "kill"; readonly state: "kept" | "deleted" | "corrupted"; readonly pick: number }
  | { readonly kind: "freeze"; readonly ms: number; readonly pick: number }
  | { readonly kind: "broker"; readonly awayMs: number }
  | { readonly kind: "controller"; readonly awayMs: number }
  | { readonly kind: "cut" }
  | { readonly kind: "refuse"; readonly ms: number }
  | { readonly kind: "delay"; readonly eachMs: number; readonly ms: number }
  | { readonly kind: "request"; readonly api: ApiName; readonly fault: RequestFault; readonly ms: number }
  | { readonly kind: "scale"; readonly workers: number; readonly pick: number }
  | { readonly kind: "cutover"; readonly force: boolean };

export interface PlannedFault {
  /** After the beginning. */
  readonly atMs: number;
  readonly fault: Fault;
}

/** How often each kind comes in a round; rounds last a minute. */
const round: readonly (readonly [count: number, make: (random: Random) => Fault])[] = [
  [3, (random) => ({ kind: "kill", state: "kept", pick: random.next() })],
  [2, (random) => ({ kind: "kill", state: "deleted", pick: random.next() })],
  [2, (random) => ({ kind: "kill", state: "corrupted", pick: random.next() })],
  // Beyond the session time-out of 10 s: somebody else has its tasks when it goes on.
  [1, (random) => ({ kind: "freeze", ms: random.between(11_000, 14_000), pick: random.next() })],
  [1, (random) => ({ kind: "freeze", ms: random.between(500, 8_000), pick: random.next() })],
  [1, (random) => ({ kind: "broker", awayMs: random.below(1_500) })],
  [1, (random) => ({ kind: "controller", awayMs: random.below(1_500) })],
  [2, () => ({ kind: "cut" })],
  [1, (random) => ({ kind: "refuse", ms: random.between(200, 3_000) })],
  [1, (random) => ({ kind: "delay", eachMs: random.between(20, 250), ms: random.between(1_000, 4_000) })],
  [
    8,
    (random) => ({
      kind: "request",
      api: random.chance(0.4) ? "EndTxn" : random.pick(Object.keys(apiKeys) as ApiName[]),
      fault: random.pick(["hold", "orphan", "mute"]),
      ms: random.between(100, 6_000),
    }),
  ],
  [3, (random) => ({ kind: "scale", workers: random.between(1, 3), pick: random.next() })],
  [4, (random) => ({ kind: "cutover", force: random.chance(0.5) })],
];

const roundMs = 60_000;

/** What goes wrong within so many seconds, and when: the same for the same seed, every kind at least once a minute. */
export function planFaults(seed: number, seconds: number): PlannedFault[] {
  const random = new Random(seed);
  const planned: PlannedFault[] = [];
  const endMs = seconds * 1000;
  for (let fromMs = 0; fromMs < endMs; fromMs += roundMs) {
    const faults = round.flatMap(([count, make]) => Array.from({ length: count }, () => make(random)));
    for (const fault of faults) planned.push({ atMs: fromMs + random.below(roundMs), fault });
  }
  return planned.filter(({ atMs }) => atMs < endMs).sort((a, b) => a.atMs - b.atMs);
}
