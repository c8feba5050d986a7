import { createInterface } from "node:readline";
import type { Command } from "commander";
import { createRecordProducer, type RecordProducer } from "@reprise/kafka";
import { RepriseError } from "@reprise/schema";
import { findBootstrap } from "../find-bootstrap.ts";
import { formatCount } from "../output/format.ts";
import { type Reporter, UsageError } from "../output/reporter.ts";

/** So many records are on their way at once when they come from standard input. */
const inFlight = 10_000;

interface SendFlags {
  readonly bootstrap?: string;
}

/** `reprise send`: puts records on a topic, to try a processor out. */
export function addSendCommand(program: Command, reporter: Reporter): void {
  program
    .command("send")
    .description("put a record on a topic, or, without a value, every line of standard input: KEY, a tab or a space, VALUE")
    .argument("<topic>")
    .argument("[key]", "as text")
    .argument("[value]", "as text, usually JSON")
    .option("--bootstrap <address>", "Kafka (default: REPRISE_BOOTSTRAP, else that of `reprise dev` here)")
    .option("--json", "one line of JSON on standard output, last")
    .action(async (topic: string, key: string | undefined, value: string | undefined, flags: SendFlags) => {
      if (key !== undefined && value === undefined) throw new UsageError("missing required argument 'value'");
      const producer = createRecordProducer({ bootstrap: await findBootstrap(flags.bootstrap) });
      try {
        const sent = key === undefined ? await sendLines(producer, topic) : await sendOne(producer, topic, key, value as string);
        reporter.result({ topic, sent }, `Sent ${formatCount(sent)} record${sent === 1 ? "" : "s"} to ${topic}`);
      } finally {
        await producer.close();
      }
    });
}

async function sendOne(producer: RecordProducer, topic: string, key: string, value: string): Promise<number> {
  await producer.send(topic, null, Buffer.from(key), Buffer.from(value));
  return 1;
}

async function sendLines(producer: RecordProducer, topic: string): Promise<number> {
  let sent = 0;
  let pending: Promise<number>[] = [];
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === "") continue;
    const [, key, value] = /^(\S*)\s(.*)$/.exec(line) ?? [];
    if (key === undefined || value === undefined)
      throw new RepriseError("INVALID_ARGUMENT", `Line ${sent + 1} is not KEY, a tab or a space, VALUE: ${line.slice(0, 80)}`, {
        details: { line: sent + 1 },
      });
    pending.push(producer.send(topic, null, Buffer.from(key), Buffer.from(value)));
    sent++;
    if (pending.length >= inFlight) {
      await Promise.all(pending);
      pending = [];
    }
  }
  await Promise.all(pending);
  return sent;
}
