import { setTimeout as sleep } from "node:timers/promises";
import type { ControllerClient, CutoverAnswer, CutoverStatus } from "@reprise/controller";
import type { Command } from "commander";
import { collect, wholeNumber } from "../arguments.ts";
import { findController } from "../find-controller.ts";
import { formatDuration } from "../output/format.ts";
import type { Reporter } from "../output/reporter.ts";
import { cutoverText } from "../output/status-text.ts";
import { operatorOptions } from "./operator-options.ts";
import { patientStatus } from "./wait-for-deployment.ts";

const pollMs = 100;

interface CutoverFlags {
  readonly controller?: string;
  readonly to?: string;
  readonly force?: readonly string[];
  readonly wait?: true;
  readonly idempotencyKey?: string;
  readonly expectedRevision?: number;
}

/** `reprise cutover` and `reprise rollback`: the same procedure, forward and back. */
export function addCutoverCommands(program: Command, reporter: Reporter): void {
  common(program.command("cutover"))
    .description("let another version publish and serve from where the present one stands, without a gap or a duplicate")
    .option("--to <deployment>", "deployment or version (default: the newest)")
    .option("--force <check>", "overrule a check by its name: not-caught-up", collect)
    .action(async (processor: string, flags: CutoverFlags) => {
      const client = await findController(flags.controller);
      const { to, force } = flags;
      const answer = await client.cutover(
        processor,
        { ...(to === undefined ? {} : { to }), ...(force === undefined ? {} : { force }) },
        commandOptions(flags),
      );
      await finish(client, processor, answer, flags, reporter);
    });
  common(program.command("rollback"))
    .description("back to the version that published before; records that are published stay")
    .action(async (processor: string, flags: CutoverFlags) => {
      const client = await findController(flags.controller);
      await finish(client, processor, await client.rollback(processor, commandOptions(flags)), flags, reporter);
    });
}

function common(command: Command): Command {
  return operatorOptions(command)
    .argument("<processor>")
    .option("--wait", "wait until it is completed")
    .option("--idempotency-key <key>", "the same key again takes effect once")
    .option("--expected-revision <n>", "refuse when something else was decided since", wholeNumber(0));
}

function commandOptions({ idempotencyKey, expectedRevision }: CutoverFlags): { idempotencyKey?: string; expectedRevision?: number } {
  return { ...(idempotencyKey === undefined ? {} : { idempotencyKey }), ...(expectedRevision === undefined ? {} : { expectedRevision }) };
}

async function finish(
  client: ControllerClient,
  processor: string,
  answer: CutoverAnswer,
  flags: CutoverFlags,
  reporter: Reporter,
): Promise<void> {
  const { cutover, from, to } = answer;
  if (flags.wait !== true) {
    reporter.result(answer, `${from} → ${to} is under way`);
    return;
  }
  const done = await completed(client, processor, cutover, reporter);
  reporter.result(
    { ...answer, at: done?.at ?? null, durationMs: done?.durationMs ?? null },
    `${to} publishes and serves${done?.durationMs === undefined ? "" : `, after ${formatDuration(done.durationMs)}`}`,
  );
}

/** Undefined: it is done, and another one has followed already. */
async function completed(
  client: ControllerClient,
  processor: string,
  cutover: string,
  reporter: Reporter,
): Promise<CutoverStatus | undefined> {
  for (;;) {
    const { processors } = await patientStatus(client);
    const now = processors.find((one) => one.name === processor);
    if (now?.pending?.cutover !== cutover) {
      reporter.settle();
      return now?.lastCutover?.cutover === cutover ? now.lastCutover : undefined;
    }
    reporter.draw([cutoverText(now.pending)]);
    await sleep(pollMs);
  }
}
