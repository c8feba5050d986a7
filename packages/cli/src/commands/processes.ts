import { type Command, Option } from "commander";
import { startController } from "@reprise/controller";
import type { GroupProtocol } from "@reprise/kafka";
import { type StateEngineName, stateEngineNames } from "@reprise/state";
import { startWorker } from "@reprise/worker";
import { pino } from "pino";
import { wholeNumber } from "../arguments.ts";
import { checkpointsOption } from "./operator-options.ts";
import { untilToldToStop } from "./until-told-to-stop.ts";

interface ControllerFlags {
  readonly bootstrap: string;
  readonly host: string;
  readonly port: number;
  readonly publicUrl?: string;
  readonly checkpoints?: string;
  readonly stability?: number;
  readonly takeOver?: true;
}

interface WorkerFlags {
  readonly deployment: string;
  readonly slot: number;
  readonly bootstrap: string;
  readonly state: string;
  readonly checkpoints: string;
  readonly artifacts: string;
  readonly port: number;
  readonly host: string;
  readonly groupProtocol: GroupProtocol;
  readonly stateEngine: StateEngineName;
}

const defaultBootstrap = process.env.REPRISE_BOOTSTRAP ?? "127.0.0.1:9092";
const logLevel = process.env.REPRISE_LOG_LEVEL ?? "info";

/** `reprise controller` and `reprise worker`: one process each, for those who start processes by other means than `reprise dev`. */
export function addProcessCommands(program: Command): void {
  checkpointsOption(program.command("controller"), undefined)
    .description("run one controller; it leads when no other one does, and removes checkpoints of retired deployments from the store")
    .option("--bootstrap <address>", "Kafka", defaultBootstrap)
    .option("--host <address>", "where its HTTP API listens; it has no passwords", "127.0.0.1")
    .option("--port <n>", "0: a free one", wholeNumber(0), 7070)
    .option("--public-url <url>", "what others are told to reach it by")
    .option("--stability <ms>", "how long a deployment must have kept up to count as caught up", wholeNumber(0))
    .option("--take-over", "lead at once, and fence whoever leads")
    .action(runController);
  checkpointsOption(program.command("worker"), ".reprise/checkpoints")
    .description("run one worker of a deployment")
    .requiredOption("--deployment <id>", "as `reprise status` names it")
    .option("--slot <n>", "from 0 to its workers − 1; no two processes may have the same", wholeNumber(0), 0)
    .option("--bootstrap <address>", "Kafka", defaultBootstrap)
    .option("--state <folder>", "local stores", ".reprise/state")
    .option("--artifacts <folder>", "where artifacts are kept", process.env.REPRISE_ARTIFACTS ?? ".reprise/dev/artifacts")
    .option("--port <n>", "of /healthz, /metrics and /views; 0: a free one", wholeNumber(0), 0)
    .option("--host <address>", "where it listens", "127.0.0.1")
    .addOption(
      new Option("--group-protocol <name>", "consumer: Kafka's newer one (KIP-848); the same for all workers of a deployment")
        .choices(["classic", "consumer"])
        .default("classic"),
    )
    .addOption(
      new Option("--state-engine <name>", "what local stores are made of; a store of another one is dropped and restored")
        .choices(stateEngineNames)
        .default("rocksdb")
        .env("REPRISE_STATE_ENGINE"),
    )
    .action(runWorker);
}

async function runController(flags: ControllerFlags): Promise<void> {
  const told = untilToldToStop();
  const logger = pino({ name: "controller", level: logLevel });
  const controller = await startController({
    bootstrap: flags.bootstrap,
    host: flags.host,
    port: flags.port,
    takeOver: flags.takeOver === true,
    logger,
    ...(flags.publicUrl === undefined ? {} : { publicUrl: flags.publicUrl }),
    ...(flags.checkpoints === undefined ? {} : { checkpointFolder: flags.checkpoints }),
    ...(flags.stability === undefined ? {} : { stabilityMs: flags.stability }),
  });
  logger.info({ url: controller.url }, "controller listens");
  await told;
  await controller.close();
}

async function runWorker(flags: WorkerFlags): Promise<void> {
  const told = untilToldToStop();
  const worker = await startWorker({
    deployment: flags.deployment,
    slot: flags.slot,
    bootstrap: flags.bootstrap,
    stateFolder: flags.state,
    checkpointFolder: flags.checkpoints,
    artifactFolder: flags.artifacts,
    port: flags.port,
    host: flags.host,
    groupProtocol: flags.groupProtocol,
    logger: pino({ name: "worker", level: logLevel }),
    stateEngine: flags.stateEngine,
  });
  // Rejects with what the worker can't go on from; a retired one ends well.
  await Promise.race([worker.done, told]);
  await worker.stop();
}
