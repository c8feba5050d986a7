import type { ControlRecord, PositionVector } from "@reprise/engine";

/** A cutover with the times of its steps. */
export interface CutoverHistory {
  readonly cutover: string;
  readonly kind: "cutover" | "rollback";
  readonly processor: string;
  readonly from: string;
  readonly to: string;
  readonly forced: readonly string[];
  readonly intendedAtMs: number;
  readonly at?: PositionVector;
  readonly cutAtMs?: number;
  readonly completedAtMs?: number;
}

/**
 * What the fold of the control topic does not keep, also a function of the topic alone: the newest cutover of each processor with its
 * times, how often its serving deployment changed, and which command brought about what.
 */
export class ControlHistory {
  /** All cutovers that were completed, oldest first. */
  readonly completed: CutoverHistory[] = [];
  readonly #cutovers = new Map<string, CutoverHistory>();
  readonly #generations = new Map<string, number>();
  readonly #commands = new Map<string, ControlRecord>();

  add(record: ControlRecord): void {
    const { event, atMs } = record;
    switch (event.type) {
      case "DeploymentCreated":
        this.#commands.set(record.idempotencyKey, record);
        return;
      case "DeploymentStateChanged":
        if (event.state === "Retiring") this.#commands.set(record.idempotencyKey, record);
        return;
      case "CutoverIntended": {
        this.#commands.set(record.idempotencyKey, record);
        const { cutover, kind, processor, from, to, forced } = event;
        this.#cutovers.set(processor, { cutover, kind, processor, from, to, forced, intendedAtMs: atMs });
        return;
      }
      case "CutDecided":
        this.#update(event.processor, event.cutover, { at: event.at, cutAtMs: atMs });
        return;
      case "CutoverCompleted":
        this.#update(event.processor, event.cutover, { completedAtMs: atMs });
        this.#generations.set(event.processor, this.generation(event.processor) + 1);
        this.#noteCompleted(event.processor, event.cutover);
        return;
    }
  }

  lastCutover(processor: string): CutoverHistory | undefined {
    return this.#cutovers.get(processor);
  }

  /** Grows whenever another deployment begins to answer queries. */
  generation(processor: string): number {
    return this.#generations.get(processor) ?? 0;
  }

  /** The record by which the command with this key took effect. */
  command(idempotencyKey: string): ControlRecord | undefined {
    return this.#commands.get(idempotencyKey);
  }

  #noteCompleted(processor: string, cutover: string): void {
    const done = this.#cutovers.get(processor);
    if (done?.cutover === cutover) this.completed.push(done);
  }

  #update(processor: string, cutover: string, change: Partial<CutoverHistory>): void {
    const before = this.#cutovers.get(processor);
    if (before?.cutover === cutover) this.#cutovers.set(processor, { ...before, ...change });
  }
}
