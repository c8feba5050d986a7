import type { ViewAnswer } from "@reprise/engine";

interface Seen {
  readonly deployment: string;
  readonly generation: number;
  readonly n: number;
  readonly position: { readonly [topic: string]: number };
}

/**
 * Drops answers that are older than one this gateway has given: a worker that lost its task a moment ago may still answer. Per
 * processor and task, only the newest answer is remembered. Answers of a newer generation (another deployment serves since) always
 * count as newer: its positions may be behind those of the deployment that served before.
 */
export class AnswerGuard {
  readonly #seen = new Map<string, Seen>();

  /** `generation`: how often the processor's serving deployment has changed. */
  accept(processor: string, generation: number, answer: ViewAnswer): "fresh" | "stale" {
    const key = `${processor}/${answer.task}`;
    const before = this.#seen.get(key);
    if (before !== undefined && isOlder(generation, answer, before)) return "stale";
    this.#seen.set(key, { deployment: answer.deployment, generation, n: answer.n, position: answer.position });
    return "fresh";
  }
}

function isOlder(generation: number, answer: ViewAnswer, before: Seen): boolean {
  if (generation !== before.generation) return generation < before.generation;
  // The same generation but another deployment: it no longer serves, or does not yet.
  if (answer.deployment !== before.deployment) return true;
  if (answer.n !== before.n) return answer.n < before.n;
  return Object.entries(before.position).some(([topic, offset]) => (answer.position[topic] ?? 0) < offset);
}
