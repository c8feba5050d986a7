import type { CutoverStatus, DeploymentStatus, LagObservation, ProcessorStatus, Status } from "@reprise/controller";
import type { LateRange } from "@reprise/engine";
import { bar, formatBytes, formatCount, formatDuration, formatRate, table } from "./format.ts";

const barWidth = 20;

/** One line per deployment, below a line per processor. */
export function statusLines(status: Status, options: { readonly all: boolean }): string[] {
  const lines: string[] = [];
  for (const processor of status.processors) {
    lines.push(processorLine(processor));
    const shown = status.deployments.filter((one) => one.processor === processor.name && (options.all || one.state !== "Retired"));
    lines.push(...table(shown.map((one) => deploymentCells(one, processor))));
    for (const one of shown) {
      if (one.reason !== undefined) lines.push(`    ${one.id}: ${one.reason}`);
      lines.push(...[...checkpointLines(one, status.atMs), ...lateLines(one)].map((line) => `    ${one.id}: ${line}`));
    }
  }
  if (lines.length === 0) lines.push("Nothing is deployed yet: reprise deploy <file>");
  return lines;
}

function processorLine({ name, serving, pending, lastCutover }: ProcessorStatus): string {
  const parts = [name];
  if (serving !== undefined) parts.push(`served by ${serving}`);
  if (pending !== undefined) parts.push(cutoverText(pending));
  else if (lastCutover?.durationMs !== undefined) parts.push(`last ${lastCutover.kind} took ${formatDuration(lastCutover.durationMs)}`);
  return parts.join(" · ");
}

/** What a cutover under way waits for. */
export function cutoverText({ kind, from, to, at, recordsToCut }: CutoverStatus): string {
  const step = at === undefined ? "fencing" : recordsToCut === undefined ? "to the cut" : `${formatCount(recordsToCut)} records to the cut`;
  return `${kind} ${from} → ${to}: ${step}`;
}

function deploymentCells(one: DeploymentStatus, processor: ProcessorStatus): string[] {
  const mark = processor.publisher === one.id ? "●" : "○";
  return [`  ${mark} ${one.id}`, one.state, ...progressCells(one), workersText(one)];
}

/** Bar, share, rate, remaining time and lag; empty cells where nothing is known. */
export function progressCells({ progress, state }: DeploymentStatus): string[] {
  if (progress === undefined) return ["", "", "", ""];
  const replaying = state === "Starting" || state === "Replaying";
  const lag = progress.publisherLag ?? progress.lag;
  const remaining = !replaying
    ? ""
    : progress.remainingMs === null
      ? "remaining unknown"
      : progress.remainingMs === 0
        ? settling(progress)
        : `${formatDuration(progress.remainingMs)} left`;
  return [
    `${bar(progress.fraction, barWidth)} ${percent(progress.fraction)}`,
    formatRate(progress.recordsPerSecond),
    lagText(lag),
    remaining,
  ];
}

function settling({
  live,
  steadyMs,
  stabilityMs,
}: {
  readonly live: boolean;
  readonly steadyMs: number;
  readonly stabilityMs: number;
}): string {
  if (!live) return "going live";
  return steadyMs >= stabilityMs ? "" : `stable for ${formatDuration(steadyMs)} of ${formatDuration(stabilityMs)}`;
}

/** Never 100 % before it is: the last records are the ones that are waited for. */
function percent(fraction: number): string {
  const value = fraction >= 1 ? 100 : Math.min(99.9, fraction * 100);
  return `${value === 100 ? "100" : value.toFixed(1)}%`.padStart(5);
}

function lagText({ records, ms }: LagObservation): string {
  if (records === 0) return "no lag";
  return `${formatCount(records)} behind${ms === null ? "" : ` (${formatDuration(ms)})`}`;
}

const lateWords = { drop: "dropped", "dead-letter": "dead-lettered", handle: "handled by onLate" } as const;

/** Per window what came too late, as its workers know it: how much, and of which time. */
function lateLines({ workers }: DeploymentStatus): string[] {
  const ranges = new Map<string, LateRange>();
  for (const range of workers.flatMap(({ late = [] }) => late)) {
    const known = ranges.get(range.window) ?? { ...range, records: 0 };
    ranges.set(range.window, {
      ...known,
      records: known.records + range.records,
      fromMs: Math.min(known.fromMs, range.fromMs),
      toMs: Math.max(known.toMs, range.toMs),
    });
  }
  const iso = (ms: number): string => new Date(ms).toISOString();
  return [...ranges.values()].map(
    ({ window, how, records, fromMs, toMs }) =>
      `${formatCount(records)} late for window ${window}, ${lateWords[how]}: from ${iso(fromMs)} to ${iso(toMs)}`,
  );
}

/** What is being made out of checkpoints, and tasks that get no new ones. */
function checkpointLines({ workers }: DeploymentStatus, atMs: number): string[] {
  const restoring = workers.flatMap((worker) => worker.restoring ?? []);
  const failing = workers.flatMap((worker) => worker.checkpointFailures ?? []);
  return [
    ...restoring.map(
      ({ partition, rows, totalRows, bytes, totalBytes }) =>
        `task ${partition} restores: ${formatCount(rows)} of ${formatCount(totalRows)} rows, ${formatBytes(bytes)} of ${formatBytes(totalBytes)}`,
    ),
    ...failing.map(
      ({ partition, code, message, sinceMs, failures }) =>
        `task ${partition} has no new checkpoint for ${formatDuration(Math.max(0, atMs - sinceMs))}, ${formatCount(failures)} tries: ${code}: ${message}`,
    ),
  ];
}

function workersText({ desiredWorkers, workers }: DeploymentStatus): string {
  if (desiredWorkers === 0) return "";
  const failures = workers.flatMap((worker) => worker.failures).length;
  const engines = [...new Set(workers.flatMap(({ stateEngine }) => stateEngine ?? []))].sort();
  const on = engines.length === 0 ? "" : ` on ${engines.join(" and ")}`;
  return `${workers.length}/${desiredWorkers} worker${desiredWorkers === 1 ? "" : "s"}${on}${failures === 0 ? "" : `, ${failures} failed`}`;
}
