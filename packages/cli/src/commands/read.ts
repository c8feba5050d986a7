import type { Command } from "commander";
import { type LogReader, type RecordColumns, readHeaders } from "@reprise/engine";
import { createAdmin, createColumnarReader } from "@reprise/kafka";
import { wholeNumber } from "../arguments.ts";
import { findBootstrap } from "../find-bootstrap.ts";
import type { Reporter } from "../output/reporter.ts";
import type { Terminal } from "../output/terminal.ts";
import { untilToldToStop } from "./until-told-to-stop.ts";

/** While following; also how long a Ctrl-C waits. */
const waitMs = 200;

interface ReadFlags {
  readonly bootstrap?: string;
  readonly follow?: true;
  readonly limit?: number;
}

/** `reprise read`: the records of a topic, to see what a processor publishes. */
export function addReadCommand(program: Command, reporter: Reporter, terminal: Terminal): void {
  program
    .command("read")
    .description("print the records of a topic that are committed, from its beginning: KEY, a tab, VALUE")
    .argument("<topic>")
    .option("--follow", "go on with what comes, until Ctrl-C")
    .option("--limit <n>", "at most so many", wholeNumber(1))
    .option("--bootstrap <address>", "Kafka (default: REPRISE_BOOTSTRAP, else that of `reprise dev` here)")
    .option("--json", "a line of JSON per record, with partition, offset, timestamp and headers; the number of records last")
    .action(async (topic: string, flags: ReadFlags) => {
      const bootstrap = await findBootstrap(flags.bootstrap);
      const admin = createAdmin({ bootstrap });
      let partitions: readonly Span[];
      try {
        partitions = await spansOf(admin, topic);
      } finally {
        await admin.close();
      }
      const reader = await createColumnarReader({ bootstrap, clientId: "reprise-read" });
      try {
        const print = reporter.json ? asJson : asText;
        const read = await readAll(reader, topic, partitions, flags, async (columns, count) => {
          let lines = "";
          for (let i = 0; i < count; i++) lines += `${print(columns, i)}\n`;
          terminal.out(lines);
          await terminal.taken?.();
        });
        reporter.result({ topic, records: read }, read === 0 ? `${topic} has no records` : "");
      } finally {
        await reader.close();
      }
    });
}

/** Offsets of one partition to read: from its oldest record to the last stable offset of now. */
interface Span {
  readonly from: number;
  readonly to: number;
}

async function spansOf(admin: ReturnType<typeof createAdmin>, topic: string): Promise<Span[]> {
  const ends = await admin.endOffsets(topic);
  const starts = await admin.listOffsets(
    ends.map((_, partition) => ({ topic, partition })),
    "earliest",
  );
  return ends.map((to, partition) => ({ from: (starts[partition] as { offset: number }).offset, to }));
}

async function readAll(
  reader: LogReader,
  topic: string,
  spans: readonly Span[],
  flags: ReadFlags,
  print: (columns: RecordColumns, count: number) => Promise<void>,
): Promise<number> {
  const follow = flags.follow === true;
  const limit = flags.limit ?? Number.POSITIVE_INFINITY;
  const open = new Map(
    spans.map((span, partition) => [partition, span.from] as const).filter(([p, from]) => follow || from < (spans[p] as Span).to),
  );
  let told = false;
  if (follow) void untilToldToStop().then(() => (told = true));
  for (const [partition, from] of open) reader.assign({ topic, partition }, from);
  let read = 0;
  while (open.size > 0 && !told) {
    let taken = false;
    for (const partition of open.keys()) {
      const columns = reader.take({ topic, partition });
      if (columns === undefined) continue;
      taken = true;
      const end = follow ? Number.POSITIVE_INFINITY : (spans[partition] as Span).to;
      let count = 0;
      while (count < columns.count && (columns.offsets[count] as number) < end && read + count < limit) count++;
      await print(columns, count);
      read += count;
      if (read >= limit) return read;
      if (columns.nextOffset >= end) open.delete(partition);
    }
    if (!taken) await reader.wait(waitMs);
  }
  return read;
}

function asText(columns: RecordColumns, index: number): string {
  return `${keyOf(columns, index) ?? ""}\t${valueOf(columns, index) ?? ""}`;
}

function asJson(columns: RecordColumns, index: number): string {
  return JSON.stringify({
    partition: columns.partition,
    offset: columns.offsets[index],
    timestamp: columns.timestamps[index],
    key: keyOf(columns, index),
    value: valueOf(columns, index),
    headers: readHeaders(columns, index),
  });
}

const keyOf = ({ bytes, keyStarts, keyLengths }: RecordColumns, i: number): string | null =>
  text(bytes, keyStarts[i] as number, keyLengths[i] as number);
const valueOf = ({ bytes, valueStarts, valueLengths }: RecordColumns, i: number): string | null =>
  text(bytes, valueStarts[i] as number, valueLengths[i] as number);

/** Bytes that are no text are shown as if they were: this is for people. */
function text(bytes: Buffer, start: number, length: number): string | null {
  return length < 0 ? null : bytes.toString("utf8", start, start + length);
}
