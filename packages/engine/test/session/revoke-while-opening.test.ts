import {
  ControlLogTail,
  controlTopic,
  deadLetterTopicOf,
  defaultLimits,
  deltaTopicOf,
  type DeploymentSpec,
  groupOf,
  type Membership,
  Session,
  systemClock,
  transactionalIdOf,
} from "@reprise/engine";
import { key, processor, topic } from "@reprise/processor";
import { json, s } from "@reprise/schema";
import { expect, test } from "vitest";
import { MemoryEngine } from "../support/memory-store.ts";
import { SimCheckpoints, SimCluster, SimProcess, SimReader, SimWriter } from "../support/sim-cluster.ts";
import { silentObserver } from "../support/sim-worker.ts";
import { compiled } from "../support/task-run.ts";

const user = key("user", s.string);
const spec: DeploymentSpec = {
  id: "p.v1.1",
  processor: "p",
  version: 1,
  artifact: "1".repeat(64),
  manifest: {},
  params: {},
  inputs: [{ topic: "values", topicId: "id-of-values", partitions: 1 }],
  workers: 1,
  maxSlots: 1,
  start: "earliest",
  commitIntervalMs: 1,
};

/** A session whose first look at its commit record waits until it is let go. */
async function opening() {
  const cluster = new SimCluster(1);
  for (const name of [controlTopic, "values", deadLetterTopicOf("p"), deltaTopicOf(spec.id)]) cluster.createTopic(name, 1);
  cluster.control({ type: "DeploymentCreated", deployment: spec, publishes: true });
  const process = new SimProcess(cluster);
  const systemReader = new SimReader(process);
  const control = new ControlLogTail(systemReader, process.offsets);
  await control.readToEnd();
  const happened: string[] = [];
  let handlers: Parameters<Membership["join"]>[0] | undefined;
  let look = (): void => undefined;
  const looked = new Promise<void>((resolve) => {
    look = resolve;
  });
  let letGo = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const writer = new SimWriter(process, transactionalIdOf(spec.id, 0), groupOf(spec.id), () => true);
  writer.fate = () => {
    happened.push("committed");
    return "committed";
  };
  const session = new Session({
    clock: systemClock,
    spec,
    processor: compiled(
      processor({
        name: "p",
        version: 1,
        key: user,
        inputs: { values: topic("values", { key: user, value: json(s.long) }) },
      } as never).handle({
        on: { values: () => undefined },
      } as never),
    ),
    writer,
    membership: {
      join: async (given) => {
        handlers = given;
      },
      leave: async () => undefined,
    },
    groupOffsets: {
      committed: async (group, partitions) => {
        look();
        await held;
        return process.groupOffsets.committed(group, partitions);
      },
    },
    reader: new SimReader(process),
    openReader: async () => new SimReader(process),
    systemReader,
    control,
    offsets: process.offsets,
    stateEngine: new MemoryEngine(),
    stateFolder: "state",
    checkpoints: new SimCheckpoints(process),
    hooks: { nowMs: () => 0, log() {}, count() {} },
    limits: defaultLimits,
    observer: silentObserver,
  });
  const end = session.run();
  await expect.poll(() => handlers).toBeDefined();
  return { session, end, happened, handlers: handlers as NonNullable<typeof handlers>, looked, letGo: () => letGo() };
}

test("a session that is stopped while it opens a task gives the task up only when nothing of it is committed any more", async () => {
  const { session, end, happened, handlers, looked, letGo } = await opening();
  await handlers.onAssigned([0]);
  await looked;
  session.stop();
  const revoked = handlers.onRevoked([0]).then(() => happened.push("given up"));
  for (let turns = 0; turns < 20; turns++) await systemClock.nextTurn();
  expect(happened).toEqual([]);
  letGo();
  expect(await end).toBe("stopped");
  await revoked;
  expect(happened.at(-1)).toBe("given up");
  // What is left is answered at once.
  await handlers.onRevoked([0]);
});
