import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const folder = join(import.meta.dirname, "../../.reprise/s3");
const credentials = { id: "reprise", secret: "reprise-secret" };
const bucket = "checkpoints";

/** An S3 server of this machine: one that the set-up built or fetched (`scripts/set-up/s3-server.mjs`). */
export interface S3Server {
  readonly endpoint: string;
  readonly bucket: string;
  /** `s3://bucket/prefix?…`, as a worker takes it. */
  location(prefix: string): string;
  /** Ends the process, and begins another one with the same objects on the same port. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Sets the credentials in this process's environment, where the SDK looks for them; child processes have them too. */
export async function startS3Server(): Promise<S3Server> {
  process.env.AWS_ACCESS_KEY_ID = credentials.id;
  process.env.AWS_SECRET_ACCESS_KEY = credentials.secret;
  const root = mkdtempSync(join(tmpdir(), "reprise-s3-"));
  for (const part of ["objects", "sidecar"]) mkdirSync(join(root, part));
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const command = commandOf(root, port);
  let child: ChildProcess;
  const start = async (): Promise<void> => {
    child = spawn(command.file, command.args, { stdio: "ignore", env: { ...process.env, ...command.environment } });
    await answers(endpoint, child);
  };
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await exited;
  };
  await start();
  return {
    endpoint,
    bucket,
    location: (prefix) => `s3://${bucket}/${prefix}?endpoint=${encodeURIComponent(endpoint)}&region=us-east-1&path-style=true`,
    kill,
    restart: start,
    stop: async () => {
      await kill();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

interface ServerCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly environment?: Record<string, string>;
}

function commandOf(root: string, port: number): ServerCommand {
  const gateway = join(folder, "versitygw");
  if (existsSync(gateway) && process.env.REPRISE_TEST_S3 !== "s3mock") {
    // A folder is a bucket.
    mkdirSync(join(root, "objects", bucket));
    const args = ["--port", `127.0.0.1:${port}`, "--access", credentials.id, "--secret", credentials.secret, "--quiet"];
    return { file: gateway, args: [...args, "posix", "--sidecar", join(root, "sidecar"), join(root, "objects")] };
  }
  const jar = existsSync(folder) ? readdirSync(folder).find((name) => name.endsWith(".jar")) : undefined;
  if (jar === undefined) throw new Error(`There is no S3 server in ${folder}: npm run setup`);
  const settings = {
    HTTP_PORT: String(port),
    DOMAIN_ROOT: join(root, "objects"),
    DOMAIN_RETAINFILESONEXIT: "true",
    DOMAIN_INITIALBUCKETS: bucket,
  };
  const environment = Object.fromEntries(Object.entries(settings).map(([name, value]) => [`COM_ADOBE_TESTING_S3MOCK_${name}`, value]));
  return { file: "java", args: ["-Xmx256m", "-jar", join(folder, jar), "--server.port=0"], environment };
}

async function answers(endpoint: string, child: ChildProcess): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the S3 server ended with ${child.exitCode}`);
    // Any answer will do: without credentials it is a refusal.
    const answered = await fetch(endpoint).then(
      () => true,
      () => false,
    );
    if (answered) return;
    await sleep(50);
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
