// A worker as `reprise worker` starts it, but for its intervals: what takes minutes there happens every few seconds here.
import { parseArgs } from "node:util";
import { startWorker } from "@reprise/worker";

const { values } = parseArgs({
  options: { deployment: { type: "string" }, slot: { type: "string" }, bootstrap: { type: "string" }, folder: { type: "string" } },
});
const { deployment = "", slot, bootstrap = "", folder } = values;
// Without its supervisor it ends as a killed one does, also when that went while this process was still loading its modules.
process.once("disconnect", () => process.exit(1));
if (!process.connected) process.exit(1);
const told = new Promise((resolve) => process.once("SIGTERM", resolve));
const worker = await startWorker({
  deployment,
  slot: Number(slot),
  bootstrap,
  stateFolder: `${folder}/state`,
  checkpointFolder: `${folder}/checkpoints`,
  artifactFolder: `${folder}/artifacts`,
  limits: { flushIntervalMs: 1_000, checkpointIntervalMs: 4_000, maxCachedKeysPerTask: 200 },
});
await Promise.race([worker.done, told]);
await worker.stop();
process.exit();
