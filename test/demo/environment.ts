import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { deployProcessor, startDev } from "@reprise/cli";
import { ControllerClient } from "@reprise/controller";
import { createAdmin, createColumnarReader, createPlainReader, type Admin } from "@reprise/kafka";
import type { LogReader } from "@reprise/engine";
import { type BulkProducer, createBulkProducer } from "./bulk-producer.ts";
import { type DemoNames, plainNames, repositoryFolder, suffixedNames } from "./demo-names.ts";

/** Kafka, a controller, the worker processes that it starts, and clients of our own for loading and following. */
export interface DemoEnvironment {
  readonly folder: string;
  readonly bootstrap: string;
  readonly controllerUrl: string;
  readonly names: DemoNames;
  readonly client: ControllerClient;
  readonly admin: Admin;
  readonly producer: BulkProducer;
  /** A reader that shares no code with the one that the workers use. */
  openReader(): Promise<LogReader>;
  /** Builds the version's source and deploys it with one worker; its deployment's id. */
  deploy(source: string): Promise<string>;
  controllerPid(): number;
  workerPids(deployment: string): readonly number[];
  /** Ends every process; removes the folder unless it is to be kept. */
  stop(options?: { readonly keepFolder?: boolean }): Promise<void>;
}

export interface DemoEnvironmentOptions {
  /** An existing cluster; names get a suffix there, because others may use it too. Default: a Kafka of our own. */
  readonly bootstrap?: string;
  /** How long a deployment must stay close before it counts as caught up. */
  readonly stabilityMs: number;
  readonly log?: (line: string) => void;
}

export async function startEnvironment(options: DemoEnvironmentOptions): Promise<DemoEnvironment> {
  const parent = join(repositoryFolder(), ".reprise");
  await mkdir(parent, { recursive: true });
  const folder = await mkdtemp(join(parent, "demo-"));
  const names = options.bootstrap === undefined ? plainNames() : await suffixedNames(join(folder, "processors"), Date.now().toString(36));
  const dev = await startDev({
    folder,
    stabilityMs: options.stabilityMs,
    ...(options.bootstrap === undefined ? {} : { bootstrap: options.bootstrap }),
    ...(options.log === undefined ? {} : { log: options.log }),
  });
  const connection = { bootstrap: dev.bootstrap };
  const admin = createAdmin(connection);
  const producer = await createBulkProducer(connection);
  return {
    folder,
    names,
    admin,
    producer,
    bootstrap: dev.bootstrap,
    controllerUrl: dev.controllerUrl,
    client: new ControllerClient(dev.controllerUrl),
    openReader: () => createPlainReader(connection),
    deploy: async (source) => (await deployProcessor({ source, controllerUrl: dev.controllerUrl })).deployment,
    controllerPid: () => dev.controllerPid(),
    workerPids: (deployment) => dev.workerPids(deployment),
    async stop({ keepFolder = false } = {}) {
      await producer.close();
      await admin.close();
      await dev.stop();
      if (!keepFolder) await rm(folder, { recursive: true, force: true });
    },
  };
}
