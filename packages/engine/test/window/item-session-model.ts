import { type Emitted, type Item, ItemModel, type Op, type Open, type Result, resultOf } from "./item-model.ts";

/** Sessions with items, the plain way: after each change, the items of all open sessions of the key are put into order and divided anew. */
export class ItemSessionModel extends ItemModel {
  private vanished: (Emitted & { what: "window" })[] = [];
  private telling = false;

  protected override apply(key: string, { op, id, at, n }: Op, changed: Set<Open>): void {
    const open = this.windows.filter((w) => w.key === key && this.isOpen(w));
    const items = open.flatMap((w) => w.items);
    const before = items.find((item) => item.id === id);
    const rest = items.filter((item) => item !== before);
    if (op === "remove") {
      if (before === undefined) this.unknown++;
      else this.divide(key, open, rest, changed);
      return;
    }
    if (before !== undefined && before.at === at && before.n === n) return;
    const item: Item = { id, at, n, put: this.puts++ };
    const own = this.sessionsOf([...rest, item]).find((session) => session.items.includes(item)) as Session;
    const inTime = this.isOpen(own);
    this.divide(key, open, inTime ? [...rest, item] : rest, changed);
    if (!inTime) this.missed(key, [[own.start, own.end]], n, changed);
  }

  private sessionsOf(items: readonly Item[]): Session[] {
    if (this.shape.kind.type !== "session") throw new Error("no session");
    const { gapMs } = this.shape.kind;
    const out: Session[] = [];
    for (const item of items.toSorted((a, b) => a.at - b.at || a.put - b.put)) {
      const last = out.at(-1);
      if (last === undefined || item.at - (last.items.at(-1) as Item).at > gapMs)
        out.push({ start: item.at, end: item.at + gapMs, items: [item] });
      else {
        last.items.push(item);
        last.end = item.at + gapMs;
      }
    }
    return out;
  }

  private divide(key: string, open: readonly Open[], items: readonly Item[], changed: Set<Open>): void {
    const sessions = this.sessionsOf(items);
    for (const w of open) {
      if (sessions.some(({ start }) => start === w.start)) continue;
      this.windows = this.windows.filter((one) => one !== w);
      if (w.emitted !== null && ["end", "change"].includes(this.shape.emit)) this.tell(w, [], true);
    }
    for (const { start, end, items: own } of sessions) {
      let w = open.find((one) => one.start === start);
      if (w === undefined) {
        const closed = this.windows.find((one) => one.key === key && one.start === start);
        if (closed !== undefined && this.due(closed) < Number.POSITIVE_INFINITY) this.tell(closed, closed.items, true);
        w = { key, start, end, items: [], changed: false, emitted: null, revision: 0, mark: Number.NEGATIVE_INFINITY };
        this.windows = [...this.windows.filter((one) => one !== closed), w];
      }
      if (own.length === w.items.length && own.every((item) => w.items.includes(item))) continue;
      w.items = own;
      w.end = end;
      w.changed = true;
      changed.add(w);
    }
    for (const w of changed) if (!this.windows.includes(w)) changed.delete(w);
  }

  private tell({ key, start, end, emitted, revision }: Open, items: readonly Item[], final: boolean): void {
    this.vanished.push({ what: "window", key, start, end, result: resultOf(items), previous: emitted, revision: revision + 1, final });
  }

  protected override tellOfVanished(): void {
    if (this.telling) return;
    this.telling = true;
    while (this.vanished.length > 0) {
      const told = this.vanished.sort((a, b) => a.start - b.start);
      this.vanished = [];
      for (const one of told) {
        this.out.push(one);
        for (const op of this.feedback("window", one.start, one.end, one.revision)) this.apply(one.key, op, new Set());
      }
    }
    this.telling = false;
  }

  protected override current(key: string, at: number): Result | null {
    const [found] = this.windows
      .filter((w) => w.key === key && w.start <= at && at < w.end && this.canBeRead(w))
      .sort((a, b) => b.start - a.start);
    return found === undefined ? null : resultOf(found.items);
  }
}

interface Session {
  readonly start: number;
  end: number;
  readonly items: Item[];
}
