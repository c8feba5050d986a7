import type { LoggedRecord } from "../system/support/kafka-log.ts";

/** One output record: its key, value and timestamp as they have to be on the log. */
export interface Expected {
  readonly key: string;
  /** null: a deletion. */
  readonly value: string | null;
  readonly timestampMs: number;
}

/** What is known of an account. */
export interface Account {
  count: number;
  cents: number;
  note: string | undefined;
  readonly byShop: Map<string, number>;
  recent: number[];
}

interface Due {
  readonly atMs: number;
  readonly name: "quiet" | "span";
  readonly key: string;
}

interface Move {
  readonly seq: number;
  readonly cents: number;
  readonly shop: string;
}

interface Notice {
  readonly seq: number;
  readonly text: string;
  readonly close: boolean;
}

const spanMs = 5_000;
const quietMs = 4_000;
const recentMax = 4;

/**
 * `processors/ledger.ts` once more, written for one partition, from what the documentation says of order and time, and nothing else: no line of the engine is
 * in it.
 */
export class LedgerModel {
  readonly entries: Expected[] = [];
  readonly balances: Expected[] = [];
  readonly accounts = new Map<string, Account>();
  readonly #spans = new Map<string, { readonly startMs: number; count: number; sum: number; max: number }>();
  /** In the order in which it fires. */
  readonly #due: Due[] = [];
  readonly #quiet = new Map<string, Due>();

  /** Takes the records of both inputs in the order of their times; at the same time moves come first. */
  run(moves: Iterable<LoggedRecord>, notices: Iterable<LoggedRecord>): void {
    const [first, second] = [moves[Symbol.iterator](), notices[Symbol.iterator]()];
    let [move, notice] = [first.next(), second.next()];
    while (move.done !== true || notice.done !== true) {
      if (notice.done === true || (move.done !== true && move.value.timestampMs <= notice.value.timestampMs)) {
        const record = move.value as LoggedRecord;
        this.#passTo(record.timestampMs);
        this.#move(record.key as string, JSON.parse(record.value as string) as Move, record.timestampMs);
        move = first.next();
      } else {
        const record = notice.value;
        this.#passTo(record.timestampMs);
        this.#notice(record.key as string, JSON.parse(record.value as string) as Notice, record.timestampMs);
        notice = second.next();
      }
    }
  }

  #move(key: string, { seq, cents, shop }: Move, atMs: number): void {
    let account = this.accounts.get(key);
    if (account === undefined) this.accounts.set(key, (account = { count: 0, cents: 0, note: undefined, byShop: new Map(), recent: [] }));
    account.count++;
    account.cents += cents;
    account.byShop.set(shop, (account.byShop.get(shop) ?? 0) + 1);
    account.recent = [...account.recent, seq].slice(-recentMax);
    const startMs = Math.floor(atMs / spanMs) * spanMs;
    const id = `${key} ${startMs}`;
    const span = this.#spans.get(id);
    if (span === undefined) {
      this.#spans.set(id, { startMs, count: 1, sum: cents, max: cents });
      this.#add({ atMs: startMs + spanMs, name: "span", key });
    } else {
      span.count++;
      span.sum += cents;
      span.max = Math.max(span.max, cents);
    }
    this.#cancel(key);
    const quiet: Due = { atMs: atMs + quietMs, name: "quiet", key };
    this.#quiet.set(key, quiet);
    this.#add(quiet);
    const { count, cents: sum } = account;
    this.balances.push({ key, value: JSON.stringify({ count, cents: sum }), timestampMs: atMs });
    const text = `${shopsOf(account)};${account.recent.join(",")};${account.note ?? ""}`;
    this.#emit(key, "move", seq, count, sum, text, atMs);
  }

  #notice(key: string, { seq, text, close }: Notice, atMs: number): void {
    const account = this.accounts.get(key);
    this.#emit(key, close ? "closed" : "noted", seq, account?.count ?? 0, account?.cents ?? 0, account?.note ?? "", atMs);
    if (close) {
      this.accounts.delete(key);
      this.#cancel(key);
      this.balances.push({ key, value: null, timestampMs: atMs });
    } else if (account === undefined) this.accounts.set(key, { count: 0, cents: 0, note: text, byShop: new Map(), recent: [] });
    else account.note = text;
  }

  /** Everything that is due by then happens first; what it emits is dated by the record that released it. */
  #passTo(nowMs: number): void {
    for (let due = this.#due[0]; due !== undefined && due.atMs <= nowMs; due = this.#due[0]) {
      this.#due.shift();
      const { atMs, name, key } = due;
      if (name === "quiet") {
        this.#quiet.delete(key);
        const account = this.accounts.get(key);
        this.#emit(key, "quiet", 0, account?.count ?? 0, account?.cents ?? 0, account === undefined ? "" : shopsOf(account), nowMs);
        account?.byShop.clear();
      } else {
        const id = `${key} ${atMs - spanMs}`;
        const { startMs, count, sum, max } = this.#spans.get(id) as { startMs: number; count: number; sum: number; max: number };
        this.#spans.delete(id);
        this.#emit(key, "span", 0, count, sum, `${startMs} ${max}`, nowMs);
      }
    }
  }

  #emit(key: string, what: string, seq: number, count: number, cents: number, text: string, timestampMs: number): void {
    this.entries.push({ key, value: JSON.stringify({ what, seq, count, cents, text }), timestampMs });
  }

  #add(due: Due): void {
    let [low, high] = [0, this.#due.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (before(this.#due[middle] as Due, due)) low = middle + 1;
      else high = middle;
    }
    this.#due.splice(low, 0, due);
  }

  #cancel(key: string): void {
    const quiet = this.#quiet.get(key);
    if (quiet === undefined) return;
    this.#quiet.delete(key);
    this.#due.splice(this.#due.indexOf(quiet), 1);
  }
}

/** By time, name, key. */
function before(a: Due, b: Due): boolean {
  if (a.atMs !== b.atMs) return a.atMs < b.atMs;
  if (a.name !== b.name) return a.name < b.name;
  return a.key < b.key;
}

function shopsOf({ byShop }: Account): string {
  return [...byShop]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, n]) => `${name}=${n}`)
    .join(",");
}
