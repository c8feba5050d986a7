import type { WindowDefinition } from "@reprise/processor";

const dayMs = 86_400_000;
/** The longest of each, an hour longer when clocks go back in it. */
const longestMs = { day: dayMs, week: 7 * dayMs, month: 31 * dayMs } as const;
const hourMs = 3_600_000;

/** How far behind the watermark a time may be that still counts for a window of the declaration, ms. Of a global one, for which nothing is late: 0. */
export function countsBackMs(window: WindowDefinition): number {
  switch (window.type) {
    case "tumbling":
    case "hopping":
    case "rolling":
      return window.sizeMs + window.graceMs;
    case "session":
      return window.gapMs + window.graceMs;
    case "calendar":
      return longestMs[window.per] + hourMs + window.graceMs;
    case "join":
      return window.withinMs + window.graceMs;
    case "global":
      return 0;
  }
}
