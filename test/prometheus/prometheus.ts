import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../demo/until.ts";

const root = join(import.meta.dirname, "../..");
/** Where Debian's package is unpacked when it is not installed: that needs no rights and changes nothing on the machine. */
const unpacked = join(root, ".reprise", "prometheus");

export interface PrometheusPrograms {
  readonly prometheus: string;
  readonly promtool: string;
}

/** The programs, from the machine or from Debian's package; or one sentence on why they can't be had. */
export function findPrometheus(): PrometheusPrograms | string {
  for (const folder of [...(process.env["PATH"] ?? "").split(":"), join(unpacked, "usr/bin")]) {
    const programs = { prometheus: join(folder, "prometheus"), promtool: join(folder, "promtool") };
    if (existsSync(programs.prometheus) && existsSync(programs.promtool)) return programs;
  }
  try {
    unpackPackage();
    return { prometheus: join(unpacked, "usr/bin/prometheus"), promtool: join(unpacked, "usr/bin/promtool") };
  } catch (error) {
    const why = error instanceof Error ? (error.message.split("\n")[0] as string) : String(error);
    return `Prometheus is not installed, and Debian's package could not be had (${why}): apt-get install prometheus`;
  }
}

function unpackPackage(): void {
  const download = mkdtempSync(join(tmpdir(), "reprise-prometheus-"));
  const run = (program: string, ...args: string[]): void =>
    void execFileSync(program, args, { cwd: download, stdio: "pipe", timeout: 120_000 });
  try {
    try {
      run("apt-get", "download", "prometheus");
    } catch (error) {
      // A fresh machine has no lists of packages yet; only root may fetch them.
      if (process.getuid?.() !== 0) throw error;
      run("apt-get", "update");
      run("apt-get", "download", "prometheus");
    }
    const [file] = readdirSync(download);
    if (file === undefined) throw new Error("apt-get downloaded nothing");
    mkdirSync(unpacked, { recursive: true });
    run("dpkg-deb", "-x", join(download, file), unpacked);
  } finally {
    rmSync(download, { recursive: true, force: true });
  }
}

/** A Prometheus that scrapes pages of this machine every half second. */
export interface Prometheus {
  /** Scrapes these from now on. */
  scrape(targets: readonly string[]): void;
  /** Resolves when each of the targets was scraped, without an error, since the call. */
  scraped(): Promise<void>;
  /** An instant query: one number per set of labels. */
  query(expression: string): Promise<Sample[]>;
  stop(): Promise<void>;
}

export interface Sample {
  readonly labels: { readonly [name: string]: string };
  readonly value: number;
}

interface Target {
  readonly scrapeUrl: string;
  readonly lastScrape: string;
  readonly lastError: string;
  readonly health: string;
}

export async function startPrometheus({ prometheus }: PrometheusPrograms): Promise<Prometheus> {
  const folder = mkdtempSync(join(tmpdir(), "reprise-prometheus-"));
  const targetsFile = join(folder, "targets.json");
  writeFileSync(targetsFile, "[]");
  const config = {
    global: { scrape_interval: "500ms", scrape_timeout: "500ms" },
    scrape_configs: [{ job_name: "reprise", file_sd_configs: [{ files: [targetsFile], refresh_interval: "1s" }] }],
  };
  // JSON is YAML.
  writeFileSync(join(folder, "prometheus.yml"), JSON.stringify(config));
  const address = `127.0.0.1:${await freePort()}`;
  const args = [
    `--config.file=${join(folder, "prometheus.yml")}`,
    `--storage.tsdb.path=${join(folder, "data")}`,
    `--web.listen-address=${address}`,
  ];
  const child: ChildProcess = spawn(prometheus, args, { stdio: ["ignore", "ignore", "pipe"] });
  child.stderr?.pipe(createWriteStream(join(folder, "log")));
  const get = async (path: string): Promise<unknown> => {
    const response = await fetch(`http://${address}${path}`);
    const { status, data, error } = (await response.json()) as { status: string; data: unknown; error?: string };
    if (status !== "success") throw new Error(`Prometheus: ${error}`);
    return data;
  };
  const targets = async (): Promise<Target[]> => ((await get("/api/v1/targets?state=active")) as { activeTargets: Target[] }).activeTargets;
  let wanted: readonly string[] = [];
  await until("Prometheus to be ready", 60_000, () =>
    fetch(`http://${address}/-/ready`).then(
      (r) => r.ok || undefined,
      () => undefined,
    ),
  );
  return {
    scrape(pages) {
      wanted = pages.map((page) => new URL(page).host);
      writeFileSync(targetsFile, JSON.stringify([{ targets: wanted }]));
    },
    async scraped() {
      const since = Date.now();
      await until(`a scrape of ${wanted.join(", ")}`, 30_000, async () => {
        const seen = await targets();
        const done = wanted.every((host) =>
          seen.some((t) => t.scrapeUrl.includes(host) && t.health === "up" && t.lastError === "" && Date.parse(t.lastScrape) > since),
        );
        return (done && seen.length === wanted.length) || undefined;
      });
    },
    async query(expression) {
      const { result } = (await get(`/api/v1/query?query=${encodeURIComponent(expression)}`)) as {
        result: { metric: { [name: string]: string }; value: [number, string] }[];
      };
      return result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
    },
    async stop() {
      child.kill("SIGTERM");
      if (child.exitCode === null) await once(child, "exit");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What promtool has to say against a page: nothing, when it is as Prometheus likes it. */
export function promtoolCheck({ promtool }: PrometheusPrograms, page: string): Promise<string> {
  return new Promise((resolve) => {
    const child = execFile(promtool, ["check", "metrics"], (error, out, err) =>
      resolve(error === null && out === "" && err === "" ? "" : `${out}${err}`),
    );
    child.stdin?.end(page);
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
