import { type CompiledProcessor, RouteTask } from "@reprise/engine";
import { type MemoryLog, MemoryLogReader } from "./memory-log.ts";

/** The stage before a rekeyed input, in memory: one partition to one partition. */
export class MemoryRoute {
  private readonly log: MemoryLog;
  private readonly topic: string;
  private readonly task: RouteTask;

  constructor(log: MemoryLog, { topic, route }: CompiledProcessor["inputs"][number]) {
    if (route === undefined) throw new Error(`${topic} is no internal topic`);
    this.log = log;
    this.topic = topic;
    const reader = new MemoryLogReader(log);
    reader.assign({ topic: route.source.topic, partition: 0 }, 0);
    this.task = new RouteTask({ route, partition: 0, targets: 1, reader, position: 0, timeMs: Number.NEGATIVE_INFINITY });
  }

  /** Routes what is there, and says that there is nothing more; returns how many records that made in the internal topic. */
  run(): number {
    const { task } = this;
    while (task.step(Number.MAX_SAFE_INTEGER) > 0);
    task.goIdle();
    task.prepare();
    const written = task.records.length;
    for (const { key, value, timestampMs, headers } of task.records) this.log.append(this.topic, { key, value, timestampMs, headers });
    task.decided();
    return written;
  }
}
