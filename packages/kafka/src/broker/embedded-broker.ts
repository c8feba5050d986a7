import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, realpath, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { RepriseError } from "@reprise/schema";
import { ownerOf, removeOwner, writeOwner } from "./broker-lock.ts";
import { type BrokerProcess, lastLines, spawnBroker } from "./broker-process.ts";
import { brokerReady } from "./broker-ready.ts";
import { type BrokerAddresses, brokerSettings, propertiesFile } from "./broker-settings.ts";
import { containerDataFolder, dockerRunArguments } from "./docker-arguments.ts";
import { freePorts } from "./free-port.ts";
import { dockerAnswers, findJava } from "./java.ts";
import { fetchKafkaJars, findKafkaJars } from "./kafka-jars.ts";
import { kafkaVersion } from "./kafka-version.ts";

export interface EmbeddedBrokerOptions {
  /** Where data and log are kept between starts. None: a folder under the system's temporary one, removed by `stop`. */
  readonly folder?: string;
  /** 0 or none: a free one. */
  readonly port?: number;
  /**
   * Of a proxy on 127.0.0.1: the broker then listens on one more port, `proxiedPort`, which the proxy leads to, and sends those who come there to the
   * proxy for everything.
   */
  readonly proxyPort?: number;
  /** Default 512: enough for development and tests. */
  readonly heapMb?: number;
  /** See `findKafkaJars` for where they are looked for otherwise. */
  readonly jarsFolder?: string;
  /** A `java` of version 17 or newer; default: JAVA_HOME, then PATH. */
  readonly javaPath?: string;
  /** Default: a new one. Brokers of one cluster have the same. */
  readonly clusterId?: string;
  /** Further settings of the broker, by Kafka's names; they win over its own. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Progress, for people. */
  readonly log?: (line: string) => void;
  /** Default 60 s. A start takes about 4 s; kept data after a crash is checked first and takes longer. */
  readonly readyTimeoutMs?: number;
}

/** A real single-node Kafka on 127.0.0.1 for development and tests. It ends when this process ends, even by kill -9. */
export interface EmbeddedBroker {
  /** `127.0.0.1:PORT`; the same after `restart`. */
  readonly bootstrap: string;
  /** Where a proxy finds it; undefined without `proxyPort`. */
  readonly proxiedPort: number | undefined;
  /** Of the broker that runs now (with Docker: of `docker run`). */
  readonly pid: number;
  readonly folder: string;
  readonly logFile: string;
  /** Ends it cleanly, by force after 15 s. A folder that was not named is removed. Safe to call twice. */
  stop(): Promise<void>;
  /** For tests of failures. Resolves when the process is gone for SIGKILL and SIGTERM, at once for others. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Stops it if it runs, and starts it on the same folder and port. */
  restart(): Promise<void>;
}

interface Ports {
  readonly port: number;
  readonly controllerPort: number;
  readonly proxied: BrokerAddresses["proxied"];
}
type Launcher = (ports: Ports) => Promise<BrokerProcess>;

/** After SIGTERM; Kafka needs about 1 s, and more when it has many open partitions. */
const stopGraceMs = 15_000;
/** A free port may be taken between our look and Kafka's bind. */
const portAttempts = 3;

/**
 * Starts Apache Kafka (KRaft, one node), with Java 17 or newer, or with Docker when there is no such Java. A new folder is
 * formatted; the data of a kept one is used again.
 * @throws RepriseError JAVA_MISSING neither Java nor Docker; BROKER_START_FAILED with the log file and its last lines
 * @example
 * const broker = await startEmbeddedBroker({ folder: ".reprise/kafka/data" });
 * console.log(broker.bootstrap);
 * await broker.stop();
 */
export async function startEmbeddedBroker(options: EmbeddedBrokerOptions = {}): Promise<EmbeddedBroker> {
  const log = options.log ?? (() => undefined);
  const runtime = await findRuntime(options, log);
  const kept = options.folder !== undefined;
  const folder = await prepareFolder(options.folder);
  const logFile = join(folder, "broker.log");
  const launch: Launcher =
    runtime.kind === "java"
      ? javaLauncher({
          ...runtime,
          folder,
          logFile,
          kept,
          heapMb: options.heapMb ?? 512,
          settings: options.settings ?? {},
          clusterId: options.clusterId,
          log,
        })
      : dockerLauncher({ folder, logFile, heapMb: options.heapMb ?? 512, settings: options.settings ?? {} });
  const readyTimeoutMs = options.readyTimeoutMs ?? 60_000;

  let port = options.port ?? 0;
  let proxied: BrokerAddresses["proxied"];
  let broker: BrokerProcess;

  async function start(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const chosen = port === 0 ? await freePorts(3) : [port, ...(await freePorts(2))];
      const [clientPort, controllerPort, furtherPort] = chosen as [number, number, number];
      const behindProxy = proxied ?? (options.proxyPort === undefined ? undefined : { port: furtherPort, proxyPort: options.proxyPort });
      const started = performance.now();
      const candidate = await launch({ port: clientPort, controllerPort, proxied: behindProxy });
      if (await brokerReady(`127.0.0.1:${clientPort}`, readyTimeoutMs, candidate.hasExited)) {
        [broker, port, proxied] = [candidate, clientPort, behindProxy];
        writeOwner(folder, { pid: broker.pid, bootstrap: `127.0.0.1:${port}` });
        log(`Kafka ${kafkaVersion} runs on 127.0.0.1:${port} (${Math.round(performance.now() - started)} ms)`);
        return;
      }
      const exited = candidate.hasExited();
      await candidate.stop(2_000);
      const tail = lastLines(logFile, 12);
      // A port that the caller named stays the caller's business.
      if (exited && port === 0 && attempt < portAttempts && /BindException|Address already in use/.test(tail)) continue;
      const what = exited ? "ended while starting" : `was not ready after ${readyTimeoutMs} ms`;
      throw new RepriseError("BROKER_START_FAILED", `Kafka ${what}. Its log is ${logFile}; the last lines:\n${tail}`, {
        details: { logFile, port: clientPort },
      });
    }
  }

  try {
    await start();
  } catch (error) {
    // The log is what explains it; the data explains nothing.
    if (!kept) await rm(join(folder, "data"), { recursive: true, force: true });
    throw error;
  }

  return {
    get bootstrap() {
      return `127.0.0.1:${port}`;
    },
    get proxiedPort() {
      return proxied?.port;
    },
    get pid() {
      return broker.pid;
    },
    folder,
    logFile,
    async stop() {
      await broker.stop(stopGraceMs);
      removeOwner(folder);
      if (!kept) await rm(folder, { recursive: true, force: true });
    },
    async kill(signal) {
      broker.signal(signal);
      if (signal === "SIGKILL" || signal === "SIGTERM") await broker.exited;
    },
    async restart() {
      await broker.stop(stopGraceMs);
      await start();
    },
  };
}

type Runtime = { readonly kind: "java"; readonly java: string; readonly jars: string } | { readonly kind: "docker" };

async function findRuntime(options: EmbeddedBrokerOptions, log: (line: string) => void): Promise<Runtime> {
  const java = await findJava(options.javaPath);
  if (java === undefined) {
    if (await dockerAnswers()) return { kind: "docker" };
    const looked = options.javaPath ?? "JAVA_HOME and PATH";
    throw new RepriseError(
      "JAVA_MISSING",
      `Neither Java 17 or newer (looked at ${looked}) nor a Docker daemon was found, so Kafka can't be started here.`,
    );
  }
  const explicit = options.jarsFolder ?? process.env["REPRISE_KAFKA_JARS"];
  const jars = findKafkaJars(options.jarsFolder) ?? (explicit === undefined ? await fetchKafkaJars(log) : undefined);
  if (jars !== undefined) return { kind: "java", java, jars };
  if (explicit === undefined && (await dockerAnswers())) return { kind: "docker" };
  throw new RepriseError(
    "BROKER_START_FAILED",
    explicit === undefined
      ? `Kafka ${kafkaVersion}'s jars were not found and Maven could not fetch them. Install Maven, or set REPRISE_KAFKA_JARS to the libs folder of a Kafka ${kafkaVersion} download.`
      : `The folder '${explicit}' does not hold Kafka ${kafkaVersion}'s jars.`,
  );
}

async function prepareFolder(named: string | undefined): Promise<string> {
  if (named === undefined) return await mkdtemp(join(await realpath(tmpdir()), "reprise-kafka-"));
  const folder = resolve(named);
  await mkdir(folder, { recursive: true });
  const owner = ownerOf(folder);
  if (owner !== undefined) {
    throw new RepriseError("BROKER_START_FAILED", `A broker (pid ${owner.pid}, ${owner.bootstrap}) already runs on '${folder}'.`, {
      details: { folder, pid: owner.pid, bootstrap: owner.bootstrap },
    });
  }
  return folder;
}

interface JavaLaunch {
  readonly java: string;
  readonly jars: string;
  readonly folder: string;
  readonly logFile: string;
  readonly kept: boolean;
  readonly heapMb: number;
  readonly settings: Readonly<Record<string, string>>;
  readonly clusterId: string | undefined;
  readonly log: (line: string) => void;
}

function javaLauncher(launch: JavaLaunch): Launcher {
  return async (ports) => {
    const { settings: given } = launch;
    const settings = brokerSettings({ ...ports, bindHost: "127.0.0.1", logFolder: join(launch.folder, "data"), settings: given });
    const file = join(launch.folder, "server.properties");
    await writeFile(file, propertiesFile(settings));
    await formatStorage(launch, ports);
    return await spawnBroker({
      command: launch.java,
      args: [
        `-Xmx${launch.heapMb}m`,
        `-Xms${Math.min(launch.heapMb, 256)}m`,
        "-XX:+UseG1GC",
        "-XX:MaxGCPauseMillis=20",
        quickJvm,
        "-XX:+ExitOnOutOfMemoryError",
        "-Djava.awt.headless=true",
        ...loggingOptions,
        "-cp",
        join(launch.jars, "*"),
        "kafka.Kafka",
        file,
      ],
      logFile: launch.logFile,
      ...(launch.kept ? {} : { removeFolder: launch.folder }),
    });
  };
}

/**
 * The quick compiler alone. The optimising one burns a core for the first minutes of a broker's life, next to what is being developed: with it a
 * replay beside the broker on two cores went a fifth slower.
 */
const quickJvm = "-XX:TieredStopAtLevel=1";

const loggingOptions = [
  "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
  "-Dorg.slf4j.simpleLogger.showDateTime=true",
  "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
];

/** As Kafka's own: 128 bits in Base64. */
export function newClusterId(): string {
  return randomBytes(16).toString("base64url");
}

/** Formats beside the data folder and renames: a format that is interrupted leaves nothing that looks formatted. */
async function formatStorage(launch: JavaLaunch, ports: Ports): Promise<void> {
  const data = join(launch.folder, "data");
  if (existsSync(join(data, "meta.properties"))) return;
  launch.log("Formatting Kafka's storage");
  const partial = join(launch.folder, "data.partial");
  await rm(partial, { recursive: true, force: true });
  const file = join(launch.folder, "format.properties");
  const { settings } = launch;
  await writeFile(file, propertiesFile(brokerSettings({ ...ports, bindHost: "127.0.0.1", logFolder: partial, settings })));
  // With `=`: an id may begin with a dash.
  const clusterId = launch.clusterId ?? newClusterId();
  try {
    await promisify(execFile)(
      launch.java,
      [
        "-Xmx128m",
        "-XX:+UseSerialGC",
        quickJvm,
        ...loggingOptions,
        "-cp",
        join(launch.jars, "*"),
        "kafka.tools.StorageTool",
        "format",
        `--cluster-id=${clusterId}`,
        "--config",
        file,
      ],
      { timeout: 60_000 },
    );
  } catch (error) {
    const output = error as { stdout?: string; stderr?: string };
    await writeFile(launch.logFile, `${output.stdout ?? ""}${output.stderr ?? ""}`, { flag: "a" });
    throw new RepriseError(
      "BROKER_START_FAILED",
      `Kafka's storage could not be formatted. Its log is ${launch.logFile}; the last lines:\n${lastLines(launch.logFile, 12)}`,
      {
        details: { logFile: launch.logFile },
        cause: error,
      },
    );
  }
  await rename(partial, data);
}

function dockerLauncher(launch: Pick<JavaLaunch, "folder" | "logFile" | "heapMb" | "settings">): Launcher {
  return async (ports) => {
    const { port, proxied } = ports;
    const dataFolder = join(launch.folder, "data");
    await mkdir(dataFolder, { recursive: true });
    const containerName = `reprise-kafka-${port}`;
    const ids = process.getuid === undefined || process.getgid === undefined ? undefined : `${process.getuid()}:${process.getgid()}`;
    const args = dockerRunArguments({
      containerName,
      port,
      proxiedPort: proxied?.port,
      dataFolder,
      heapMb: launch.heapMb,
      settings: brokerSettings({ ...ports, bindHost: "0.0.0.0", logFolder: containerDataFolder, settings: launch.settings }),
      ...(ids === undefined ? {} : { user: ids }),
    });
    return await spawnBroker({ command: "docker", args, logFile: launch.logFile, containerName });
  };
}
