import { RepriseError } from "@reprise/schema";
import type { CalendarDefinition } from "@reprise/processor";
import type { Bounds } from "./bounds.ts";

const dayMs = 86_400_000;
/** Windows kept: far more than are open at a time is a sign of times all over the place. */
const maxCached = 10_000;

/**
 * Days, weeks (from Monday) and months of a time zone, by the zone data of the runtime (Intl). A day begins at the first moment its clocks show
 * 00:00, or where they skip it, at the first moment after; it lasts until the next one begins. So every moment lies in exactly one day, also where
 * clocks are put back over midnight; a date that a zone left out has no window.
 */
export class CalendarBounds implements Bounds {
  readonly everyMs = undefined;
  private readonly per: CalendarDefinition["per"];
  private readonly format: Intl.DateTimeFormat;
  private readonly zone: string;
  /** The window that was asked for last: most records fall into the same one as the one before. */
  private start = Number.NaN;
  private end = Number.NaN;
  /** Known windows, ascending. */
  private readonly starts: number[] = [];
  private readonly ends: number[] = [];

  constructor(per: CalendarDefinition["per"], zone: string) {
    this.per = per;
    this.zone = zone;
    this.format = new Intl.DateTimeFormat("en-u-ca-gregory-nu-latn", {
      timeZone: zone,
      hourCycle: "h23",
      era: "short",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
  }

  /** @throws RepriseError INVALID_ARGUMENT for a time that no calendar has */
  lastStart(timeMs: number): number {
    if (!(timeMs >= this.start && timeMs < this.end)) this.find(timeMs);
    return this.start;
  }

  endOf(start: number): number {
    if (!(start >= this.start && start < this.end)) this.find(start);
    return this.end;
  }

  startOfEnd(end: number): number {
    return this.lastStart(end - 1);
  }

  private find(timeMs: number): void {
    const { starts, ends } = this;
    let low = 0;
    let high = starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((starts[middle] as number) <= timeMs) low = middle + 1;
      else high = middle;
    }
    if (low === 0 || timeMs >= (ends[low - 1] as number)) {
      const [start, end] = this.compute(timeMs);
      if (starts.length >= maxCached) {
        starts.length = ends.length = low = 0;
      }
      starts.splice(low, 0, start);
      ends.splice(low, 0, end);
      low++;
    }
    this.start = starts[low - 1] as number;
    this.end = ends[low - 1] as number;
  }

  private compute(timeMs: number): [number, number] {
    // The margin leaves room for the window around the time.
    if (!(Math.abs(timeMs) < 8.64e15 - 40 * dayMs))
      throw new RepriseError("INVALID_ARGUMENT", `no day, week or month of ${this.zone} holds the time ${timeMs}`);
    let date = this.beginning(Math.floor(this.local(timeMs) / dayMs) * dayMs);
    let start = this.instant(date);
    // Where clocks were put back over midnight, some moments show the date of a window that is over.
    for (let next = this.following(date); ; next = this.following(date)) {
      const end = this.instant(next);
      if (timeMs >= start && timeMs < end) return [start, end];
      if (timeMs < start) {
        date = this.beginning(date - dayMs);
        start = this.instant(date);
      } else {
        date = next;
        start = end;
      }
    }
  }

  /** Dates are epoch ms of their midnight in UTC, whatever the zone. */
  private beginning(date: number): number {
    if (this.per === "day") return date;
    // The epoch was a Thursday.
    if (this.per === "week") return date - ((((date / dayMs + 3) % 7) + 7) % 7) * dayMs;
    return date - (new Date(date).getUTCDate() - 1) * dayMs;
  }

  private following(date: number): number {
    return this.per === "day" ? date + dayMs : this.beginning(date + (this.per === "week" ? 7 : 31) * dayMs);
  }

  /** What the zone's clocks show, as if it were UTC. */
  private local(timeMs: number): number {
    const parts: { [type: string]: string } = {};
    for (const { type, value } of this.format.formatToParts(timeMs)) parts[type] = value;
    const year = Number(parts["year"]);
    const shown = new Date(Math.floor(timeMs) - Math.floor(timeMs / 1000) * 1000);
    shown.setUTCFullYear(parts["era"] === "BC" ? 1 - year : year, Number(parts["month"]) - 1, Number(parts["day"]));
    shown.setUTCHours(Number(parts["hour"]), Number(parts["minute"]), Number(parts["second"]));
    return shown.getTime();
  }

  /** The first moment of a date. */
  private instant(date: number): number {
    const before = date - (this.local(date - dayMs) - (date - dayMs));
    const after = date - (this.local(date + dayMs) - (date + dayMs));
    let low = Math.min(before, after);
    let high = Math.max(before, after);
    if (this.local(low) === date) return low;
    if (this.local(high) === date) return high;
    // Clocks were put forward over midnight: the first moment that shows something later.
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (this.local(middle) >= date) high = middle;
      else low = middle;
    }
    return this.local(low) >= date ? low : high;
  }
}
