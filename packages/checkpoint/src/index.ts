export { type LocalCheckpointOptions, localCheckpointStore } from "./local-checkpoint-store.ts";
