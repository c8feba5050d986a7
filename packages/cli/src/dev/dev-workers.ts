import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { DeploymentStatus } from "@reprise/controller";
import type { DevFolder } from "./dev-folder.ts";
import type { Supervisor } from "./supervisor.ts";

export interface DevWorkersOptions {
  readonly supervisor: Supervisor;
  readonly folder: DevFolder;
  readonly bootstrap: string;
  readonly env: { readonly [name: string]: string };
}

/** Keeps as many workers of each deployment running as the controller wants. */
export class DevWorkers {
  readonly #options: DevWorkersOptions;

  constructor(options: DevWorkersOptions) {
    this.#options = options;
  }

  /** Names of those that are kept, by slot. */
  names(deployment: string): string[] {
    return this.#options.supervisor.names.filter((name) => name.startsWith(prefixOf(deployment))).sort((a, b) => slotOf(a) - slotOf(b));
  }

  async adjust({ id, desiredWorkers, state }: DeploymentStatus): Promise<void> {
    const { supervisor, folder } = this.#options;
    for (let slot = 0; slot < desiredWorkers; slot++) this.#keep(id, slot);
    const running = this.names(id);
    // They see on the control log that they are to end, and do so by themselves.
    for (const name of running) if (slotOf(name) >= desiredWorkers) supervisor.release(name);
    // What is left of a retired one here are files that nobody needs.
    if (state === "Retired" && running.length === 0) await rm(join(folder.state, id), { recursive: true, force: true });
  }

  #keep(deployment: string, slot: number): void {
    const { supervisor, folder, bootstrap, env } = this.#options;
    supervisor.keep({
      name: `${prefixOf(deployment)}${slot}`,
      args: [
        ...["worker", "--deployment", deployment, "--slot", String(slot), "--bootstrap", bootstrap, "--port", "0"],
        ...["--state", folder.state, "--checkpoints", folder.checkpoints, "--artifacts", folder.artifacts],
      ],
      // Transaction calls block libuv's threads for as long as a broker is frozen; the store needs some meanwhile.
      env: { UV_THREADPOOL_SIZE: "16", ...env },
    });
  }
}

const prefixOf = (deployment: string): string => `worker/${deployment}/`;
const slotOf = (name: string): number => Number(name.slice(name.lastIndexOf("/") + 1));
