import type { ControlState, DeploymentState } from "@reprise/engine";
import type { Logger } from "pino";
import type { RecordWriter } from "./cluster.ts";
import { viewManifest } from "./deploy/manifest-view.ts";

/** A deployment in one of these will not read a tick that is written now, or never again. */
const over: ReadonlySet<DeploymentState> = new Set<DeploymentState>(["Planned", "Retiring", "Retired", "Failed", "Aborted"]);

interface Clock {
  readonly intervalMs: number;
  readonly partitions: number;
}

/**
 * Writes the ticks of the processors that declare a clock: per partition and interval one record without a key, whose timestamp is a multiple of the
 * interval. A tick that could not be written is left out, and one that is written twice changes nothing: only the time of a record counts.
 */
export class Clocks {
  readonly #writer: Pick<RecordWriter, "send">;
  readonly #logger: Pick<Logger, "warn">;
  /** The last tick by topic, in intervals since the epoch. */
  readonly #last = new Map<string, number>();

  constructor(writer: Pick<RecordWriter, "send">, logger: Pick<Logger, "warn">) {
    this.#writer = writer;
    this.#logger = logger;
  }

  /** Writes what is due and does not wait for it. A clock that is seen for the first time begins with its next tick. */
  tick(state: ControlState, nowMs: number): void {
    for (const [topic, { intervalMs, partitions }] of clocksOf(state)) {
      const now = Math.floor(nowMs / intervalMs);
      const last = this.#last.get(topic) ?? now;
      this.#last.set(topic, Math.max(now, last));
      if (now <= last) continue;
      for (let partition = 0; partition < partitions; partition++) {
        this.#writer
          .send(topic, partition, null, tickValue, [], now * intervalMs)
          .catch((error: unknown) => this.#logger.warn({ err: error, topic, partition }, "a tick of the clock could not be written"));
      }
    }
  }
}

/** All internal records carry a format version. */
const tickValue = Buffer.from('{"format":1}');

function clocksOf(state: ControlState): Map<string, Clock> {
  const clocks = new Map<string, Clock>();
  for (const { spec, state: now } of state.deployments.values()) {
    if (over.has(now)) continue;
    const { clock } = viewManifest(spec.manifest);
    const partitions = spec.inputs[0]?.partitions;
    if (clock !== undefined && partitions !== undefined) clocks.set(clock.topic, { intervalMs: clock.intervalMs, partitions });
  }
  return clocks;
}
