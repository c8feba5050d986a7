import type { Command } from "commander";
import { oneOf, paramsArgument, wholeNumber } from "../arguments.ts";
import { warningText } from "../artifact/find-nondeterminism.ts";
import { deployFile } from "../artifact/deploy-file.ts";
import { findController } from "../find-controller.ts";
import type { Reporter } from "../output/reporter.ts";
import { artifactsOption, operatorOptions } from "./operator-options.ts";
import { waitForDeployment } from "./wait-for-deployment.ts";

interface DeployFlags {
  readonly controller?: string;
  readonly artifacts: string;
  readonly workers?: number;
  readonly params?: { readonly [name: string]: unknown };
  readonly commitInterval?: number;
  readonly checkpointOf?: string;
  readonly routesOf?: string;
  readonly wait?: "caught-up";
  readonly idempotencyKey?: string;
  readonly expectedRevision?: number;
}

/** `reprise deploy`: builds, deploys, and can wait for the replay. */
export function addDeployCommand(program: Command, reporter: Reporter): void {
  artifactsOption(operatorOptions(program.command("deploy")))
    .description("build a processor and start to run it; the first version publishes, later ones replay behind it")
    .argument("<file>", "TypeScript or JavaScript file with the processor as default export")
    .option("--workers <n>", "processes that share its tasks (default: 1)", wholeNumber(1))
    .option("--params <json>", "parameters: JSON, or a file with it", paramsArgument)
    .option("--commit-interval <ms>", "outputs are seen by others after about this long", wholeNumber(10))
    .option(
      "--routes-of <deployment>",
      "read the internal topics of rekeyed inputs that this deployment or version has: a cutover needs that",
    )
    .option("--checkpoint-of <deployment>", "begin with the state of an older version's newest checkpoints (a deployment or a version)")
    .option("--wait <what>", "wait until it is caught-up", oneOf("caught-up"))
    .option("--idempotency-key <key>", "the same key again takes effect once")
    .option("--expected-revision <n>", "refuse when something else was decided since", wholeNumber(0))
    .action(async (file: string, flags: DeployFlags) => {
      const client = await findController(flags.controller);
      const { workers, params, commitInterval, checkpointOf, routesOf, idempotencyKey, expectedRevision } = flags;
      const { deployment, publishes, artifact } = await deployFile(file, {
        client,
        artifactFolder: flags.artifacts,
        ...(workers === undefined ? {} : { workers }),
        ...(params === undefined ? {} : { params }),
        ...(commitInterval === undefined ? {} : { commitIntervalMs: commitInterval }),
        ...(checkpointOf === undefined ? {} : { checkpointOf }),
        ...(routesOf === undefined ? {} : { routesOf }),
        ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
        ...(expectedRevision === undefined ? {} : { expectedRevision }),
      });
      for (const warning of artifact.warnings) reporter.warning(warningText(warning));
      const result = { deployment, publishes, processor: artifact.processor, version: artifact.version, artifact: artifact.sha256 };
      const how = publishes ? "it publishes from the start" : "it replays behind the publisher";
      if (flags.wait === undefined) {
        reporter.result(result, `Deployed ${deployment}: ${how}`);
        return;
      }
      reporter.line(`Deployed ${deployment}: ${how}`);
      const { state, progress } = await waitForDeployment(client, deployment, reporter);
      reporter.result({ ...result, state, recordsPerSecond: progress?.recordsPerSecond ?? null }, `${deployment} is ${state}`);
    });
}
