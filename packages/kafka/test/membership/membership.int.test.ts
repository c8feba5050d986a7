import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { type Admin, createAdmin } from "../../src/admin/admin.ts";
import { createGroupOffsets } from "../../src/admin/group-offsets.ts";
import { createMembership, type KafkaMembership, type MembershipOptions } from "../../src/membership/membership.ts";
import { createTransactionalWriter } from "../../src/writer/transactional-writer.ts";
import { bootstrapOfRun, unique } from "../support/test-cluster.ts";

const runner = fileURLToPath(new URL("../../../../scripts/run-source.mjs", import.meta.url));
const bootstrap = bootstrapOfRun();
let admin: Admin;
const joined: KafkaMembership[] = [];

beforeAll(() => {
  admin = createAdmin({ bootstrap });
});

afterEach(async () => {
  await Promise.all(joined.splice(0).map((membership) => membership.leave()));
});

afterAll(async () => {
  await admin.close();
});

/** A member that keeps book of what it owns, as a worker does. */
class Member {
  readonly owned = new Set<number>();
  readonly errors: unknown[] = [];
  readonly membership: KafkaMembership;
  beforeRevoke: (partitions: readonly number[]) => Promise<void> = async () => undefined;

  constructor(options: MembershipOptions) {
    this.membership = createMembership(options);
    joined.push(this.membership);
  }

  join(): Promise<void> {
    return this.membership.join({
      onAssigned: async (partitions) => {
        for (const partition of partitions) this.owned.add(partition);
      },
      onRevoked: async (partitions) => {
        await this.beforeRevoke(partitions);
        for (const partition of partitions) this.owned.delete(partition);
      },
      onError: (error) => {
        this.errors.push(error);
      },
    });
  }
}

const sorted = (partitions: Iterable<number>): number[] => [...partitions].sort((a, b) => a - b);

const waiting = { timeout: 30_000, interval: 20 } as const;

async function newTopic(partitions = 4): Promise<string> {
  const name = unique("membership");
  await admin.createTopics([{ name, partitions }]);
  return name;
}

describe.each(["classic", "consumer"] as const)("with the %s protocol", (protocol) => {
  const member = (groupId: string, topic: string, slot: number): Member =>
    new Member({ bootstrap, groupId, topic, protocol, groupInstanceId: `${groupId}-${slot}` });

  test("a lone member gets all partitions, and gives them back when it leaves", async () => {
    const [topic, group] = [await newTopic(), unique("group")];
    const one = member(group, topic, 0);
    const started = performance.now();
    await one.join();
    await vi.waitFor(() => expect(sorted(one.owned)).toEqual([0, 1, 2, 3]), waiting);
    console.log(`${protocol}: all partitions after ${(performance.now() - started).toFixed(0)} ms`);
    await one.membership.leave();
    expect(one.owned.size).toBe(0);
    expect(one.errors).toEqual([]);
  });

  test("a partition has no new owner before the old one's revocation is answered", async () => {
    const [topic, group] = [await newTopic(), unique("group")];
    const one = member(group, topic, 0);
    await one.join();
    await vi.waitFor(() => expect(one.owned.size).toBe(4), waiting);
    const writer = createTransactionalWriter({ bootstrap, transactionalId: unique("id"), consumer: one.membership.consumer });
    await writer.init();
    const two = member(group, topic, 1);
    let release: () => void = () => undefined;
    let revoked: readonly number[] = [];
    one.beforeRevoke = async (partitions) => {
      revoked = partitions;
      await new Promise<void>((resolve) => {
        release = resolve;
      });
    };
    await two.join();
    await vi.waitFor(() => expect(revoked.length).toBe(2), waiting);
    const lost = revoked[0] as number;
    // Heartbeats go on; the other one must not get anything in the meantime.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(two.owned.size).toBe(0);
    // The transaction that the barrier waits for can still be committed.
    await writer.begin();
    expect(await writer.commit([{ topic, partition: lost, offset: 1, metadata: "last" }])).toEqual({ kind: "committed" });
    release();
    one.beforeRevoke = async () => undefined;
    await vi.waitFor(() => {
      expect(one.owned.size).toBe(2);
      expect(two.owned.size).toBe(2);
    }, waiting);
    expect(sorted([...one.owned, ...two.owned])).toEqual([0, 1, 2, 3]);
    expect([...one.errors, ...two.errors]).toEqual([]);
    // Why there is a barrier at all: the broker lets a live member commit what it has lost. When this fails, it has learned better.
    await writer.begin();
    expect(await writer.commit([{ topic, partition: lost, offset: 0, metadata: "stale" }])).toEqual({ kind: "committed" });
    await writer.close();
  });

  test("a member that leaves while a revocation waits still answers, and leaves", async () => {
    const [topic, group] = [await newTopic(), unique("group")];
    const one = member(group, topic, 0);
    await one.join();
    await vi.waitFor(() => expect(one.owned.size).toBe(4), waiting);
    let revocations = 0;
    one.beforeRevoke = async () => {
      revocations++;
      await new Promise((resolve) => setTimeout(resolve, 500));
    };
    const two = member(group, topic, 1);
    await two.join();
    await vi.waitFor(() => expect(revocations).toBe(1), waiting);
    await Promise.all([one.membership.leave(), one.membership.leave()]);
    expect(one.owned.size).toBe(0);
  });
});

test("offsets of a topic that the member is not subscribed to are committed with its group metadata", async () => {
  const [topic, other, group] = [await newTopic(), await newTopic(), unique("group")];
  const one = new Member({ bootstrap, groupId: group, topic, groupInstanceId: "slot-0" });
  await one.join();
  await vi.waitFor(() => expect(one.owned.size).toBe(4), waiting);
  const writer = createTransactionalWriter({ bootstrap, transactionalId: unique("id"), consumer: one.membership.consumer });
  await writer.init();
  await writer.begin();
  const committed = [
    { topic, partition: 3, offset: 5, metadata: '{"n":1}' },
    { topic: other, partition: 3, offset: 9, metadata: "" },
  ];
  expect(await writer.commit(committed)).toEqual({ kind: "committed" });
  const offsets = createGroupOffsets({ bootstrap });
  expect(
    await offsets.committed(group, [
      { topic, partition: 3 },
      { topic: other, partition: 3 },
    ]),
  ).toEqual(expect.arrayContaining(committed));
  await offsets.close();
  await writer.close();
});

test("a restarted member with the same instance id gets the same partitions, and the group is deleted only when all have gone", async () => {
  const [topic, group] = [await newTopic(), unique("group")];
  const options = { bootstrap, groupId: group, topic } as const;
  const [one, two] = [new Member({ ...options, groupInstanceId: "slot-0" }), new Member({ ...options, groupInstanceId: "slot-1" })];
  await Promise.all([one.join(), two.join()]);
  await vi.waitFor(() => {
    expect(one.owned.size).toBe(2);
    expect(two.owned.size).toBe(2);
  }, waiting);
  const before = sorted(one.owned);
  await expect(admin.deleteGroups([group])).rejects.toMatchObject({
    code: "KAFKA_FAILED",
    message: expect.stringContaining("still has members") as string,
  });
  await one.membership.leave();
  const again = new Member({ ...options, groupInstanceId: "slot-0" });
  await again.join();
  await vi.waitFor(() => expect(sorted(again.owned)).toEqual(before), waiting);
  expect(two.owned.size).toBe(2);
  await Promise.all([again.membership.leave(), two.membership.leave()]);
  // Static members are members until their session ends.
  await vi.waitFor(() => admin.deleteGroups([group]), { timeout: 30_000, interval: 200 });
});

/** A member in a process of its own that answers no revocation; `said` resolves when it prints a line that begins so. */
function startSilent(groupId: string, topic: string, groupInstanceId: string): { child: ChildProcess; said(start: string): Promise<void> } {
  const script = fileURLToPath(new URL("../support/give-up-and-wait.ts", import.meta.url));
  const child = spawn(process.execPath, [runner, script, bootstrap, groupId, topic, groupInstanceId], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
  return {
    child,
    said: (start) =>
      vi.waitFor(() => {
        expect(child.exitCode).toBeNull();
        expect(lines.some((line) => line.startsWith(start))).toBe(true);
      }, waiting),
  };
}

test("partitions that a member gave up just before it was killed and started anew get an owner", async () => {
  const [topic, group] = [await newTopic(), unique("group")];
  const killed = startSilent(group, topic, "slot-0");
  try {
    await killed.said("assigned 0,1,2,3");
    const ownerless: (readonly number[])[] = [];
    const options = {
      bootstrap,
      groupId: group,
      topic,
      ownerlessIntervalMs: 500,
      onOwnerless: (partitions: readonly number[]) => void ownerless.push(partitions),
    };
    const two = new Member({ ...options, groupInstanceId: "slot-1", ownerlessIntervalMs: 60_000 });
    await two.join();
    // The first of the two rebalances is over: it gives two up, and would join again to have them given to the other.
    await killed.said("revoked");
    killed.child.kill("SIGKILL");
    await once(killed.child, "exit");
    const again = new Member({ ...options, groupInstanceId: "slot-0" });
    await again.join();
    await vi.waitFor(() => expect(sorted([...again.owned, ...two.owned])).toEqual([0, 1, 2, 3]), waiting);
    // That it was not the end of the killed one's session that helped.
    expect(ownerless.map(sorted)).toEqual([[expect.any(Number), expect.any(Number)]]);
    expect(again.owned.size).toBe(2);
    expect([...again.errors, ...two.errors]).toEqual([]);
    // Nothing is passing through any more, and nobody looks for more.
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    expect(ownerless.length).toBe(1);
    expect(sorted([...again.owned, ...two.owned])).toEqual([0, 1, 2, 3]);
  } finally {
    killed.child.kill("SIGKILL");
  }
});

test("the former holder of an instance id learns that another process has it", async () => {
  const [topic, group] = [await newTopic(), unique("group")];
  const one = new Member({ bootstrap, groupId: group, topic, groupInstanceId: "twin" });
  await one.join();
  await vi.waitFor(() => expect(one.owned.size).toBe(4), waiting);
  const twin = new Member({ bootstrap, groupId: group, topic, groupInstanceId: "twin" });
  await twin.join();
  await vi.waitFor(() => expect(twin.owned.size).toBe(4), waiting);
  await vi.waitFor(
    () => expect(one.errors[0]).toMatchObject({ code: "KAFKA_FAILED", message: expect.stringContaining("same member id") as string }),
    waiting,
  );
});

test("a handler that hangs is reported, and the rebalance is answered without it", async () => {
  const [topic, group] = [await newTopic(), unique("group")];
  const one = new Member({ bootstrap, groupId: group, topic, groupInstanceId: "slot-0", handlerTimeoutMs: 300 });
  one.beforeRevoke = () => new Promise(() => undefined);
  await one.join();
  await vi.waitFor(() => expect(one.owned.size).toBe(4), waiting);
  await one.membership.leave();
  expect(one.errors).toMatchObject([{ code: "KAFKA_FAILED", message: expect.stringContaining("onRevoked") as string }]);
});

test("a topic that does not exist is an error of join, and leaving is still possible", async () => {
  const missing = unique("missing");
  const one = new Member({ bootstrap, groupId: unique("group"), topic: missing, groupInstanceId: "slot-0" });
  await expect(one.join()).rejects.toMatchObject({ code: "TOPIC_MISSING", details: { topic: missing } });
  await one.membership.leave();
});
