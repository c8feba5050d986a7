// The driver's parts, for tests of the engine that need its offsets, digests and restarts; processors are tested with `testProcessor`.
export { MapStore } from "./internal/map-store.ts";
export { MemoryLog, MemoryLogReader, type MemoryRecord } from "./internal/memory-log.ts";
export { Run, type RunShape, usualShape } from "./internal/run.ts";
