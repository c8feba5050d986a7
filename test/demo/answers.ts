import { RepriseError } from "@reprise/schema";
import type { ViewAnswer } from "@reprise/engine";
import type { ControllerClient } from "@reprise/controller";
import {
  compareHourly,
  compareTotals,
  compareWorst,
  type Destination,
  type HourlyComparison,
  type RowComparison,
  type Totals,
} from "./compare.ts";
import type { DemoNames } from "./demo-names.ts";
import type { Airport, FlightLog } from "./flight-log.ts";
import type { HourlyColumns } from "./follower.ts";
import { expectHourly } from "./model.ts";
import { deploymentIn, publishedBy } from "./observe.ts";
import { until } from "./until.ts";

/** Asks one view for one airport; undefined: no row. */
export type AskView = (view: string, airport: Airport) => Promise<ViewAnswer | undefined>;

/** As users ask: through the controller's gateway, which answers from the serving deployment. */
export function askGateway(client: ControllerClient, processor: string): AskView {
  return (view, airport) => client.view(processor, view, airport.name);
}

/** Past the gateway: the worker of a deployment that is not serving, so that both versions can be compared. */
export function askDeployment(client: ControllerClient, deployment: string): AskView {
  return async (view, airport) => {
    const { workers } = deploymentIn(await client.status(), deployment);
    const worker = workers.find((each) => each.tasks.includes(airport.partition));
    if (worker === undefined) throw new RepriseError("NOT_SERVING", `no worker of ${deployment} has partition ${airport.partition}`);
    const response = await fetch(`${worker.url}/views/${view}/${encodeURIComponent(airport.name)}`, {
      signal: AbortSignal.timeout(10_000),
    });
    if (response.status === 404) return undefined;
    if (!response.ok)
      throw new RepriseError(
        "NOT_SERVING",
        `${worker.url} answered ${response.status} for ${view} of ${airport.name}: ${await response.text()}`,
      );
    return (await response.json()) as ViewAnswer;
  };
}

/**
 * The view's row of every airport, as of the end of the log: an answer from an earlier position, or none because a task has just moved,
 * is asked for again. Airports without a row are left out.
 */
export async function readView<Row>(ask: AskView, view: string, log: FlightLog, topic: string): Promise<Map<string, Row>> {
  const ends = await log.partitionCounts(log.records);
  const rows = new Map<string, Row>();
  for (const airport of log.airports) {
    const end = ends[airport.partition] as number;
    const answer = await until(`the view ${view} of ${airport.name} at position ${end}`, 60_000, async () => {
      try {
        const found = await ask(view, airport);
        return found === undefined || found.position[topic] === end ? { found } : undefined;
      } catch (error) {
        if (RepriseError.is(error) && error.retry) return undefined;
        throw error;
      }
    });
    if (answer.found?.value !== undefined && answer.found.value !== null) rows.set(airport.name, answer.found.value as Row);
  }
  return rows;
}

/** What the demo checks in the end. */
export interface CheckedAnswers {
  readonly totals: readonly RowComparison[];
  readonly worst: RowComparison;
  readonly hourly: HourlyComparison;
  readonly mismatches: number;
  readonly seamGaps: number;
  readonly seamDuplicates: number;
}

export interface AnswersToCheck {
  /** With the model built. */
  readonly log: FlightLog;
  readonly client: ControllerClient;
  readonly names: DemoNames;
  readonly v1: string;
  /** The serving deployment: asked through the gateway. */
  readonly v2: string;
  readonly published: HourlyColumns;
}

/** Compares every row of everything that both versions answer, once both are at the end of the log and everything published was read. */
export async function checkAnswers(check: AnswersToCheck): Promise<CheckedAnswers> {
  const { log, client, names } = check;
  await expectHourly(log, await publishedBy(client, names.processor, names.flights));
  const gateway = askGateway(client, names.processor);
  const totals = [
    await compareTotals(log, 1, await readView<Totals>(askDeployment(client, check.v1), "totals", log, names.flights)),
    await compareTotals(log, 2, await readView<Totals>(gateway, "totals", log, names.flights)),
  ];
  const worst = await compareWorst(log, await readView<Destination>(gateway, "worst", log, names.flights));
  const hourly = await compareHourly(log, check.published);
  return {
    totals,
    worst,
    hourly,
    mismatches: [...totals, worst, hourly].reduce((sum, { mismatches }) => sum + mismatches, 0),
    seamGaps: hourly.seamGaps,
    seamDuplicates: hourly.seamDuplicates,
  };
}
