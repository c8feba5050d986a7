/** One change of the real code: `find` stands there exactly once. */
export interface Change {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** A fault that is planted: the code as somebody could have written it, or left it. */
export interface Mutant {
  readonly name: string;
  readonly changes: readonly Change[];
}

const session = "packages/engine/src/session/session.ts";
const deltaChain = "packages/engine/src/session/delta-chain.ts";
const readDeltas = "packages/engine/src/commit/read-deltas.ts";
const publication = "packages/engine/src/session/publication.ts";
const committer = "packages/engine/src/session/committer.ts";
const checkpointer = "packages/engine/src/session/checkpointer.ts";
const task = "packages/engine/src/task/task.ts";
const names = "packages/engine/src/control/names.ts";
const cutoverSteps = "packages/controller/src/cutover-steps.ts";
const commands = "packages/controller/src/commands.ts";

export const mutants: readonly Mutant[] = [
  {
    name: "state written before the commit",
    changes: [
      {
        file: session,
        find: 'import type { SessionOptions } from "./session-options.ts";',
        replace: 'import type { SessionOptions } from "./session-options.ts";\nimport { decodeRows } from "../state/row-buffer.ts";',
      },
      {
        file: session,
        find: "outcome: this.committer.commit(commits).finally(() => {",
        replace: `outcome: Promise.all(
        commits.map(({ task, prepared }) => this.tasks.get(task.partition)?.store.write([...decodeRows(prepared.rows)])),
      ).then(() => this.committer.commit(commits)).finally(() => {`,
      },
    ],
  },
  {
    name: "gap skipped",
    changes: [
      { file: deltaChain, find: "if (whole.n !== n + 1) throw", replace: "if (whole.n < n + 1) throw" },
      { file: deltaChain, find: "if (whole.before !== digest) throw", replace: "if (whole.before === undefined) throw" },
    ],
  },
  {
    name: "offset off by one",
    changes: [
      { file: committer, find: "offset: meta.position[topic] ?? 0,", replace: "offset: Math.max(0, (meta.position[topic] ?? 0) - 1)," },
    ],
  },
  {
    name: "stale overlay after abort",
    changes: [
      {
        file: session,
        find: "for (const { task } of commits) await this.reopen(task.partition);",
        replace: `for (const { task } of commits) {
          this.stale.set(task.partition, (task.state as unknown as { entries: unknown }).entries);
          await this.reopen(task.partition);
        }`,
      },
      {
        file: session,
        find: "this.tasks.set(task.partition, running);",
        replace: `this.tasks.set(task.partition, running);
      const stale = this.stale.get(task.partition);
      if (stale !== undefined) (task.state as unknown as { entries: unknown }).entries = stale;
      this.stale.delete(task.partition);`,
      },
      {
        file: session,
        find: "  private stopping = false;",
        replace: "  private stopping = false;\n  private readonly stale = new Map<number, unknown>();",
      },
    ],
  },
  {
    name: "random transactional id",
    changes: [
      {
        file: names,
        find: "export const transactionalIdOf = (deployment: string, slot: number): string => `reprise.${deployment}.${slot}`;",
        replace:
          "let made = 0;\nexport const transactionalIdOf = (deployment: string, slot: number): string => `reprise.${deployment}.${slot}.${++made}`;",
      },
    ],
  },
  {
    name: "no revoke barrier",
    changes: [
      {
        file: session,
        find: 'onRevoked: (partitions) => new Promise((done) => this.demand({ kind: "close", partitions, done })),',
        replace: 'onRevoked: async (partitions) => this.demand({ kind: "close", partitions, done: () => undefined }),',
      },
    ],
  },
  {
    name: "swallowed commit error",
    changes: [
      {
        file: session,
        find: "for (const { task } of commits) await this.reopen(task.partition);",
        replace: "for (const commit of commits) this.decided(commit);",
      },
    ],
  },
  {
    name: "delta lost",
    changes: [
      {
        file: committer,
        find: "prepared.meta.n > 0) await this.writeDelta",
        replace: "prepared.meta.n > 0 && prepared.meta.n % 4 !== 3) await this.writeDelta",
      },
    ],
  },
  {
    name: "checkpoint without its position",
    changes: ["task", "newest"].map((onto) => ({
      file: checkpointer,
      find: `${onto}, meta.n, encodeMeta(meta).toString("utf8")`,
      replace: `${onto}, meta.n, encodeMeta({ ...meta, position: Object.fromEntries(Object.keys(meta.position).map((topic) => [topic, 0])) }).toString("utf8")`,
    })),
  },
  {
    name: "no producer replacement",
    changes: [
      {
        file: session,
        find: `this.notDecided(outcome, commits);
        await this.initialise();`,
        replace: "this.notDecided(outcome, commits);",
      },
    ],
  },
  {
    name: "follower not muted",
    changes: [
      {
        file: publication,
        find: `  task.publishing = false;
  const known`,
        replace: `  task.publishing = task.meta.mode === "live";
  const known`,
      },
    ],
  },
  {
    name: "stream time not restored",
    changes: [
      {
        file: task,
        find: "this.clock.streamTimeMs = orMinusInfinity(meta.streamTimeMs);",
        replace: "this.clock.streamTimeMs = Number.NEGATIVE_INFINITY;",
      },
      {
        file: task,
        find: "this.clock.watermarkMs = meta.watermarkMs ?? this.clock.streamTimeMs - processor.disorderMs;",
        replace: "this.clock.watermarkMs = Number.NEGATIVE_INFINITY;",
      },
    ],
  },
  {
    name: "opener that stops at the end of the delta partition",
    changes: [
      {
        file: readDeltas,
        find: "if (position >= end) return;",
        replace: "if (position >= from) return;",
      },
    ],
  },
  {
    name: "control log not read after initTransactions",
    changes: [
      {
        file: session,
        find: `    await this.options.writer.init();
    await this.options.control.readToEnd(this.interrupted);`,
        replace: "    await this.options.writer.init();",
      },
    ],
  },
  {
    name: "Intent written after the fence",
    changes: [
      { file: cutoverSteps, find: "await options.cluster.fence(transactionalIdsOf(from));", replace: "" },
      {
        file: commands,
        find: 'import { planRetire } from "./decide/plan-retire.ts";',
        replace:
          'import { planRetire } from "./decide/plan-retire.ts";\nimport { transactionalIdsOf } from "./cutover-steps.ts";\nimport { publisherOf } from "@reprise/engine";',
      },
      {
        file: commands,
        find: "const answer = await this.#context.decide<CutoverAnswer>((state) => {",
        replace: `const publisher = this.#context.state.deployments.get(publisherOf(this.#context.state, processor)?.deployment ?? "");
    if (publisher !== undefined) await this.#context.cluster.fence(transactionalIdsOf(publisher));
    const answer = await this.#context.decide<CutoverAnswer>((state) => {`,
      },
    ],
  },
  {
    name: "no follow bound",
    changes: [
      {
        file: publication,
        find: "cursor.bound = known === undefined ? 0 : (bound ?? Number.POSITIVE_INFINITY);",
        replace: "cursor.bound = bound === -1 ? 0 : Number.POSITIVE_INFINITY;",
      },
    ],
  },
];
