import { keyBytesOf, partitionForKey, type StateQuery } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";
import { findBootstrap } from "../find-bootstrap.ts";
import { findController } from "../find-controller.ts";
import { liveState } from "./live-state.ts";
import type { StateReference } from "./state-reference.ts";
import { StoredStates } from "./stored-state.ts";
import type { TaskState } from "./task-state.ts";

export interface StateSourceFlags {
  readonly controller?: string;
  readonly bootstrap?: string;
  readonly checkpoints: string;
  readonly artifacts: string;
  readonly task?: number;
}

/** Where the states that a command names come from. */
export class StateSources {
  readonly #flags: StateSourceFlags;
  #stored: Promise<StoredStates> | undefined;

  constructor(flags: StateSourceFlags) {
    this.#flags = flags;
  }

  async close(): Promise<void> {
    await (await this.#stored)?.close();
  }

  /** The tasks that a command is about: the one it names, else all. @throws RepriseError INVALID_ARGUMENT · DEPLOYMENT_UNKNOWN */
  async tasks({ deployment, target, text }: StateReference): Promise<number[]> {
    const partitions = (await this.#states()).spec(deployment).inputs[0]?.partitions ?? 0;
    const { task } = this.#flags;
    if (task === undefined) {
      if (target?.kind === "position" || target?.kind === "commit") {
        throw new RepriseError("INVALID_ARGUMENT", `${text} is of one task: offsets and commits are counted per task. Give --task.`, {
          details: { argument: "--task" },
        });
      }
      return Array.from({ length: partitions }, (_, partition) => partition);
    }
    if (task >= partitions) {
      throw new RepriseError("INVALID_ARGUMENT", `${deployment} has the tasks 0 to ${partitions - 1}, not ${task}.`, {
        details: { argument: "--task", task },
      });
    }
    return [task];
  }

  /** The task that has a key. */
  async taskOf({ deployment }: StateReference, key: string): Promise<number> {
    const states = await this.#states();
    const partitions = states.spec(deployment).inputs[0]?.partitions ?? 1;
    return partitionForKey(keyBytesOf(await states.processor(deployment), key), partitions);
  }

  async open({ deployment, target }: StateReference, task: number, query: StateQuery): Promise<TaskState> {
    if (target === undefined) return await liveState(await findController(this.#flags.controller), deployment, task, query);
    return await (await this.#states()).state(deployment, task, target, query);
  }

  #states(): Promise<StoredStates> {
    this.#stored ??= this.#openStates();
    return this.#stored;
  }

  async #openStates(): Promise<StoredStates> {
    const { bootstrap, checkpoints, artifacts } = this.#flags;
    return await StoredStates.open({ bootstrap: await findBootstrap(bootstrap), checkpointFolder: checkpoints, artifactFolder: artifacts });
  }
}
