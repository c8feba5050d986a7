import type { Membership } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";
import type { Scheduler } from "./scheduler.ts";
import type { KafkaOptions } from "./sim-kafka.ts";
import type { SimProcess } from "./sim-process.ts";

type Handlers = Parameters<Membership["join"]>[0];

interface Member {
  readonly id: string;
  readonly process: SimProcess;
  readonly handlers: Handlers;
  /** What it was told that it has. */
  readonly owned: Set<number>;
  /** It is asked to give partitions up and has not answered. */
  revoking: boolean;
  /** The group has forgotten it: it was silent for too long, another one came under its id, or it left. */
  gone: boolean;
  /** It has heard so, and is about to join again. */
  waking: boolean;
  readonly onGone: (() => void)[];
}

/**
 * A group with static members, by the cooperative protocol: a partition goes to the next only when the one before has answered, or was silent for the
 * session time-out. The broker knows nothing of partitions when offsets come: it asks only whether the member is one.
 */
export class SimGroup {
  private readonly scheduler: Scheduler;
  private readonly options: KafkaOptions;
  private readonly partitions: () => number;
  private readonly members = new Map<string, Member>();
  private work: Promise<void> = Promise.resolve();

  constructor(scheduler: Scheduler, options: KafkaOptions, partitions: () => number) {
    this.scheduler = scheduler;
    this.options = options;
    this.partitions = partitions;
  }

  /** Whether a transaction's offsets are taken from who says to be this member. */
  takesOffsetsOf(token: unknown): boolean {
    const member = (token as { member?: Member }).member;
    if (member === undefined || member.gone) return false;
    return !(this.options.refusesInRebalance && member.revoking);
  }

  /** Members of this group with what they have, for messages. */
  describe(): string {
    return [...this.members.values()]
      .map((m) => `${m.process.name}: ${[...m.owned].join() || "none"}${m.revoking ? " (revoking)" : ""}`)
      .join("; ");
  }

  membership(id: string, process: SimProcess): Membership & { readonly token: { member?: Member } } {
    const token: { member?: Member } = {};
    let handlers: Handlers | undefined;
    let left = false;
    const enter = (): void => {
      if (left) return;
      const member: Member = {
        id,
        process,
        handlers: handlers as Handlers,
        owned: new Set(),
        revoking: false,
        gone: false,
        waking: false,
        onGone: [],
      };
      token.member = member;
      this.enter(member);
    };
    process.onEnd(() => token.member !== undefined && this.silent(token.member));
    process.onFreeze((untilMs) => {
      const member = token.member;
      if (member === undefined || member.gone) return;
      if (untilMs - this.scheduler.nowMs < this.options.sessionTimeoutMs) return;
      this.silent(member, () => process.frozen);
      // It wakes up, hears that it is no member any more, gives everything up, and joins again.
      this.scheduler.at(untilMs, () => process.deliver(() => void this.wakesUp(member, enter)));
    });
    return {
      token,
      join: async (given) => {
        handlers = given;
        await process.call("join", enter);
      },
      leave: async () => {
        left = true;
        const { member } = token;
        if (member === undefined) return;
        token.member = undefined as never;
        if (member.owned.size > 0) await member.handlers.onRevoked([...member.owned]);
        member.owned.clear();
        // A static member says nothing when it leaves: its partitions wait for it.
        this.silent(member);
      },
    };
  }

  private enter(member: Member): void {
    this.trace(() => `${member.process.name} joins`);
    const before = this.members.get(member.id);
    if (before !== undefined) {
      this.forget(before);
      if (before.process !== member.process) {
        before.process.deliver(() => before.handlers.onError(new RepriseError("KAFKA_FAILED", "another member came under this id")));
      }
    }
    this.members.set(member.id, member);
    this.rebalance();
  }

  private silent(member: Member, still: () => boolean = () => true): void {
    this.scheduler.after(this.options.sessionTimeoutMs, () => {
      if (member.gone || !still()) return;
      this.forget(member);
      this.rebalance();
    });
  }

  private forget(member: Member): void {
    if (member.gone) return;
    member.gone = true;
    this.trace(() => `${member.process.name} is no member any more`);
    if (this.members.get(member.id) === member) this.members.delete(member.id);
    for (const gone of member.onGone.splice(0)) gone();
  }

  private async wakesUp(member: Member, enter: () => void): Promise<void> {
    if (!member.gone || member.waking || this.members.has(member.id)) return;
    member.waking = true;
    if (member.owned.size > 0) await member.handlers.onRevoked([...member.owned]);
    member.owned.clear();
    member.process.deliver(() => this.scheduler.after(member.process.latencyMs(), () => member.process.alive && enter()));
  }

  private rebalance(): void {
    this.work = this.work.then(() => this.assign());
  }

  trace: (line: () => string) => void = () => undefined;

  private async assign(): Promise<void> {
    const all = [...this.members.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    const wanted = new Map<Member, number[]>(all.map((member) => [member, []]));
    for (let p = 0; p < this.partitions(); p++) if (all.length > 0) wanted.get(all[p % all.length] as Member)?.push(p);
    for (const [member, list] of wanted) {
      const lost = [...member.owned].filter((p) => !list.includes(p));
      if (lost.length === 0) continue;
      this.trace(() => `${member.process.name} is to give up ${lost.join()}`);
      member.revoking = true;
      await this.told(member, () => member.handlers.onRevoked(lost));
      member.revoking = false;
      if (!member.gone) for (const p of lost) member.owned.delete(p);
    }
    const taken = new Set(all.filter((member) => !member.gone).flatMap((member) => [...member.owned]));
    for (const [member, list] of wanted) {
      const news = list.filter((p) => !member.owned.has(p) && !taken.has(p));
      if (news.length === 0 || member.gone) continue;
      for (const p of news) member.owned.add(p);
      this.trace(() => `${member.process.name} gets ${news.join()}`);
      await this.told(member, () => member.handlers.onAssigned(news));
    }
  }

  /** Until the member has answered, or the group has forgotten it. */
  private told(member: Member, tell: () => Promise<void>): Promise<void> {
    return new Promise((done) => {
      if (member.gone) return done();
      member.onGone.push(done);
      this.scheduler.after(member.process.latencyMs(), () =>
        member.process.deliver(() => {
          // What was meant for the member that it was.
          if (!member.gone) void tell().then(() => this.scheduler.after(member.process.latencyMs(), done));
        }),
      );
    });
  }
}
