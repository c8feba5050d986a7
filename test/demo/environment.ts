import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { type RunningDev, startDev } from "@reprise/cli";
import type { ControllerClient } from "@reprise/controller";
import type { LogReader } from "@reprise/engine";
import { type Admin, createAdmin, createPlainReader } from "@reprise/kafka";
import { type BulkProducer, createBulkProducer } from "./bulk-producer.ts";
import { type DemoNames, plainNames, repositoryFolder, suffixedNames } from "./demo-names.ts";

/** Kafka, a controller, the worker processes that it wants, and clients of our own for loading and following. */
export interface DemoEnvironment {
  readonly folder: string;
  readonly bootstrap: string;
  readonly controllerUrl: string;
  readonly names: DemoNames;
  readonly client: ControllerClient;
  readonly admin: Admin;
  readonly producer: BulkProducer;
  /** The processes: to find them, and for tests to kill them. */
  readonly dev: RunningDev;
  /** A reader that shares no code with the one that the workers use. */
  openReader(): Promise<LogReader>;
  /** Builds the version's source and deploys it with one worker; its deployment's id. */
  deploy(source: string): Promise<string>;
  /** Ends every process and removes the folder, unless it is kept for its logs (`dev/logs`). Safe to call twice: the first call counts. */
  stop(options?: { readonly keepFolder?: boolean }): Promise<void>;
}

export interface DemoEnvironmentOptions {
  /** An existing cluster; names get a suffix there, because others may use it too. Default: a Kafka of our own. */
  readonly bootstrap?: string;
  /** How long a deployment must stay close before it counts as caught up. */
  readonly stabilityMs: number;
  /** For the controller; a failpoint counts for its first process only. */
  readonly controllerEnv?: { readonly [name: string]: string };
  readonly log?: (line: string) => void;
}

export async function startEnvironment(options: DemoEnvironmentOptions): Promise<DemoEnvironment> {
  const parent = join(repositoryFolder(), ".reprise");
  await mkdir(parent, { recursive: true });
  const folder = await mkdtemp(join(parent, "demo-"));
  const closers: (() => Promise<unknown>)[] = [];
  let stopping: Promise<void> | undefined;
  const stop = ({ keepFolder = false } = {}): Promise<void> => {
    // Each is tried, whatever became of the others: no process may stay behind.
    stopping ??= (async () => {
      for (const close of closers.reverse()) await close().catch(() => undefined);
      if (!keepFolder) await rm(folder, { recursive: true, force: true });
    })();
    return stopping;
  };
  try {
    const { bootstrap, controllerEnv, log } = options;
    const names = bootstrap === undefined ? plainNames() : await suffixedNames(join(folder, "processors"), Date.now().toString(36));
    const dev = await startDev({
      folder: join(folder, "dev"),
      stabilityMs: options.stabilityMs,
      ...(bootstrap === undefined ? {} : { bootstrap }),
      ...(controllerEnv === undefined ? {} : { controllerEnv }),
      ...(log === undefined ? {} : { log }),
    });
    closers.push(() => dev.stop());
    const connection = { bootstrap: dev.bootstrap };
    const admin = createAdmin(connection);
    closers.push(() => admin.close());
    const producer = await createBulkProducer(connection);
    closers.push(() => producer.close());
    return {
      folder,
      names,
      admin,
      producer,
      dev,
      bootstrap: dev.bootstrap,
      controllerUrl: dev.controllerUrl,
      client: dev.client,
      openReader: () => createPlainReader(connection),
      deploy: (source) => dev.deploy(source),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
