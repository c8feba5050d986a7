import { Connection, Writer } from "@platformatic/kafka";
import type { Producer } from "@confluentinc/kafka-javascript";
import { parseBootstrap } from "../../src/connection-options.ts";
import { called, nativeClient } from "../../src/internal/native-client.ts";
import { defaultTimestamp } from "./encode-batch.ts";
import type { ReadRecord } from "./read-records.ts";

export interface Written {
  readonly key?: string | null;
  readonly value: string | null;
  readonly timestamp?: number;
  readonly headers?: readonly (readonly [string, string])[];
}

export type Codec = "none" | "gzip" | "snappy" | "lz4" | "zstd";

/** Writes through librdkafka, and remembers what a reader has to find. */
export class LogWriter {
  readonly #producer: Producer;
  readonly #topic: string;
  #failure: Error | undefined;

  private constructor(producer: Producer, topic: string) {
    this.#producer = producer;
    this.#topic = topic;
    producer.on("delivery-report", (error) => {
      if (error) this.#failure ??= new Error(`A record was not written: ${error.message}`);
    });
  }

  static async open(
    bootstrap: string,
    topic: string,
    options: { readonly codec?: Codec; readonly transactionalId?: string } = {},
  ): Promise<LogWriter> {
    const producer = new (nativeClient().Producer)(
      {
        "bootstrap.servers": bootstrap,
        "compression.codec": options.codec ?? "none",
        "linger.ms": 20,
        "message.max.bytes": 8_000_000,
        "retry.backoff.ms": 1,
        dr_cb: true,
        ...(options.transactionalId === undefined ? {} : { "transactional.id": options.transactionalId }),
      } as never,
      {},
    );
    await called((done) => producer.connect({}, done as never));
    producer.setPollInterval(20);
    if (options.transactionalId !== undefined) await called((done) => producer.initTransactions(10_000, done));
    return new LogWriter(producer, topic);
  }

  /** One flush, so that the records are in the log in this order. @returns what a reader finds from `firstOffset` on */
  async write(partition: number, firstOffset: number, records: readonly Written[]): Promise<ReadRecord[]> {
    for (const { key = null, value, timestamp = defaultTimestamp, headers = [] } of records) {
      const bytes = value === null ? null : Buffer.from(value, "latin1");
      this.#producer.produce(
        this.#topic,
        partition,
        bytes,
        key,
        timestamp,
        undefined,
        headers.map(([name, text]) => ({ [name]: text })),
      );
    }
    await called((done) => this.#producer.flush(30_000, done as never));
    if (this.#failure !== undefined) throw this.#failure;
    return records.map(({ key = null, value, timestamp = defaultTimestamp, headers = [] }, i) => ({
      offset: firstOffset + i,
      timestamp,
      key,
      value,
      headers: Object.fromEntries(headers),
    }));
  }

  begin(): Promise<void> {
    return called((done) => this.#producer.beginTransaction(done));
  }

  commit(): Promise<void> {
    return called((done) => this.#producer.commitTransaction(10_000, done));
  }

  abort(): Promise<void> {
    return called((done) => this.#producer.abortTransaction(10_000, done));
  }

  async close(): Promise<void> {
    await called((done) => this.#producer.disconnect(done as never));
  }
}

/** Writes a batch as it is, so that the log holds what no client would write. */
export async function writeBatch(bootstrap: string, topic: string, partition: number, batch: Buffer): Promise<void> {
  const [address] = parseBootstrap(bootstrap);
  if (address === undefined) throw new Error("There is no address.");
  const connection = new Connection("test-writer");
  await connection.connect(address.host, address.port);
  try {
    const errorCode = await new Promise<number>((resolve, reject) => {
      const create = (): Writer =>
        Writer.create()
          .appendString(null)
          .appendInt16(-1)
          .appendInt32(10_000)
          .appendArray([0], (topics) =>
            topics.appendString(topic).appendArray([0], (w) =>
              w
                .appendInt32(partition)
                .appendUnsignedVarInt(batch.length + 1)
                .append(batch),
            ),
          )
          .appendTaggedFields();
      connection.send<number>(
        0,
        9,
        create,
        (_correlation, _key, _version, reader) => {
          reader.readUnsignedVarInt();
          reader.readString();
          reader.readUnsignedVarInt();
          reader.readInt32();
          return reader.readInt16();
        },
        true,
        true,
        (error, code) => (error === null ? resolve(code as number) : reject(error)),
      );
    });
    if (errorCode !== 0) throw new Error(`Produce was answered with error ${errorCode}.`);
  } finally {
    await connection.close();
  }
}
