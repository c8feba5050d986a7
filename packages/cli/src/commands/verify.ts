import type { Command } from "commander";
import type { Mismatch, RowDifference, TaskVerdict } from "@reprise/engine";
import { type DeploymentVerdict, verifyDeployment } from "@reprise/worker";
import { collect, oneOf, wholeNumber } from "../arguments.ts";
import { defaultDevFolder, devFolder } from "../dev/dev-folder.ts";
import { findBootstrap } from "../find-bootstrap.ts";
import { AnsweredNo, type Reporter } from "../output/reporter.ts";
import { artifactsOption, checkpointsOption } from "./operator-options.ts";

interface VerifyFlags {
  readonly bootstrap?: string;
  readonly partition?: readonly string[];
  readonly from: "checkpoint" | "start";
  readonly checkpoints: string;
  readonly artifacts: string;
}

/** `reprise verify`: whether a deployment's state and outputs are a function of the log. */
export function addVerifyCommand(program: Command, reporter: Reporter): void {
  checkpointsOption(artifactsOption(program.command("verify")), devFolder(defaultDevFolder).checkpoints)
    .description("replay a deployment beside itself with other batches, caches and commits, and compare with what it committed")
    .argument("<deployment>")
    .option("--partition <n>", "only this task; may be given several times", collect)
    .option(
      "--from <place>",
      "checkpoint: the oldest that is kept; start: where the deployment began",
      oneOf("checkpoint", "start"),
      "checkpoint",
    )
    .option("--bootstrap <address>", "Kafka (default: that of `reprise dev` here)")
    .option("--json", "one line of JSON on standard output, last")
    .action(async (deployment: string, flags: VerifyFlags) => {
      const told = new AbortController();
      const tell = (): void => told.abort();
      process.once("SIGINT", tell).once("SIGTERM", tell);
      try {
        const found = await verifyDeployment({
          bootstrap: await findBootstrap(flags.bootstrap),
          deployment,
          from: flags.from,
          artifactFolder: flags.artifacts,
          checkpointFolder: flags.checkpoints,
          signal: told.signal,
          onProgress: (partition, variant, records) =>
            reporter.draw([`task ${partition}, ${variant}: ${records.toLocaleString("en")} records`]),
          ...(flags.partition === undefined ? {} : { partitions: flags.partition.map(partitionOf) }),
        });
        const ok = found.verdicts.every(({ mismatch }) => mismatch === undefined);
        reporter.result({ ok, ...found, verdicts: found.verdicts.map(verdictJson) }, textOf(found));
        if (!ok) throw new AnsweredNo();
      } finally {
        process.off("SIGINT", tell).off("SIGTERM", tell);
      }
    });
}

function partitionOf(text: string): number {
  return wholeNumber(0)(text);
}

const textOf = ({ verdicts }: DeploymentVerdict): string => verdicts.map((verdict) => verdictLines(verdict).join("\n")).join("\n");

function verdictLines({ partition, variant, records, compared, flagged, mismatch }: TaskVerdict): string[] {
  const so = `task ${partition}, ${variant}: ${records.toLocaleString("en")} records, ${compared} commits compared`;
  const taken = flagged === 0 ? "" : `, ${flagged} with late merges taken as they were`;
  if (mismatch === undefined) return [`${so}${taken}: the same`];
  return [`${so}${taken}: commit ${mismatch.n} differs`, ...mismatchLines(mismatch).map((line) => `  ${line}`)];
}

function mismatchLines({ what, after, upTo, rows, message }: Mismatch): string[] {
  const range = Object.keys(upTo).map((name) => `${name} from ${after[name] ?? 0} to ${(upTo[name] as number) - 1}`);
  const first = { state: "its state", outputs: "its outputs, with the same state", failure: `the replay stopped: ${message}` }[what];
  return [`${first}; records: ${range.join(", ")}`, ...rows.map(rowLine)];
}

function rowLine(row: RowDifference): string {
  const { slot, key, entry, decided, replayed, record } = rowJson(row);
  const where = record === undefined ? "" : ` (first record: ${record.topic}-${record.partition}@${record.offset})`;
  const name = entry === undefined ? `${slot} of ${key}` : `${slot} of ${key}, ${entry}`;
  return `${name}: committed ${decided ?? "no change"}, replayed ${replayed ?? "no change"}${where}`;
}

const verdictJson = (verdict: TaskVerdict) => ({
  ...verdict,
  ...(verdict.mismatch === undefined ? {} : { mismatch: { ...verdict.mismatch, rows: verdict.mismatch.rows.map(rowJson) } }),
});

/** Keys as text where they are text, else as hex. */
function rowJson({ slot, key, subkey, decided, replayed, record }: RowDifference) {
  return {
    slot,
    key: readable(key),
    ...(subkey.length === 0 ? {} : { entry: readable(subkey) }),
    ...(decided === undefined ? {} : { decided: valueText(decided) }),
    ...(replayed === undefined ? {} : { replayed: valueText(replayed) }),
    ...(record === undefined ? {} : { record }),
  };
}

function readable(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  return /^[\x20-\x7e\u00a0-\uffef]+$/.test(text) && Buffer.from(text, "utf8").equals(bytes) ? text : `0x${bytes.toString("hex")}`;
}

function valueText(value: unknown): string {
  if (value === null) return "no row";
  return JSON.stringify(value, (_, held: unknown) => (typeof held === "bigint" ? String(held) : held));
}
