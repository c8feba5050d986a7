// A worker in a process of its own, to be killed. The argument is its options as JSON; what it can't go on from is its last line.
import { startWorker, type WorkerOptions } from "@reprise/worker";
import { RepriseError } from "@reprise/schema";

const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

try {
  const worker = await startWorker(JSON.parse(process.argv[2] as string) as WorkerOptions);
  process.once("SIGTERM", () => void worker.stop());
  say({ url: worker.url });
  say({ ended: await worker.done });
  process.exit(0);
} catch (error) {
  say({ failed: RepriseError.is(error) ? error : String(error) });
  process.exit(1);
}
