import { RepriseError } from "@reprise/schema";
import type { Producer } from "@confluentinc/kafka-javascript";
import { called, isNativeError, nativeClient } from "../internal/native-client.ts";

/** The native object behind a producer: `produce` answers with librdkafka's code, 0 for success, and throws only on misuse. */
export interface NativeProduce {
  produce(topic: string, partition: number, value: Uint8Array | null, key: Uint8Array | null, timestampMs: number): number;
  produce(
    topic: string,
    partition: number,
    value: Uint8Array | null,
    key: Uint8Array | null,
    timestampMs: number,
    // `undefined`: an opaque handle is never given, it leaks (confluent-kafka-javascript #272).
    opaque: undefined,
    headers: readonly { readonly [key: string]: string }[],
  ): number;
}

export interface ConnectedProducer {
  readonly producer: Producer;
  readonly native: NativeProduce;
  /** A connection to a broker failed, or a request timed out, since the flag was last cleared. */
  sawDisconnect: boolean;
  /** The first record that was not delivered since this was last cleared, with librdkafka's code. */
  undelivered: { readonly code: number; readonly topic: string; readonly partition: number } | undefined;
  /** Once; flushes for at most `flushMs` before. */
  disconnect(flushMs: number): Promise<void>;
}

/** @throws RepriseError BROKER_UNREACHABLE */
export async function connectProducer(
  settings: Record<string, string | number | boolean>,
  timeoutMs: number,
  prepare?: (producer: Producer) => void,
): Promise<ConnectedProducer> {
  const producer = new (nativeClient().Producer)(settings as never);
  prepare?.(producer);
  const connected: ConnectedProducer = {
    producer,
    native: producer.getClient() as NativeProduce,
    sawDisconnect: false,
    undelivered: undefined,
    disconnect(flushMs) {
      disconnecting ??= new Promise((resolve) =>
        (producer.disconnect as (timeoutMs: number, done: () => void) => void).call(producer, flushMs, resolve),
      );
      return disconnecting;
    },
  };
  let disconnecting: Promise<void> | undefined;
  // `event.error` does not fire for these; the log lines do (FAIL: connection lost; REQTMOUT: a request was given up).
  producer.on("event.log", (event: { fac?: string }) => {
    if (event.fac === "FAIL" || event.fac === "REQTMOUT") connected.sawDisconnect = true;
  });
  producer.on("delivery-report", (error, { topic, partition }) => {
    if (isNativeError(error)) connected.undelivered ??= { code: error.code, topic, partition };
  });
  try {
    await called((done) => producer.connect({ timeout: timeoutMs }, (error: unknown) => done(error)));
  } catch (error) {
    const bootstrap = String(settings["bootstrap.servers"]);
    throw new RepriseError("BROKER_UNREACHABLE", `No Kafka broker answered at ${bootstrap} within ${timeoutMs} ms.`, {
      details: { bootstrap, timeoutMs },
      cause: error,
    });
  }
  // Only after connect; the event loop then has no part in delivery.
  producer.setPollInBackground(true);
  return connected;
}

/** Headers as the binding wants them. */
export function nativeHeaders(headers: readonly { readonly key: string; readonly value: string }[]): { [key: string]: string }[] {
  return headers.map((header) => ({ [header.key]: header.value }));
}

/** librdkafka reads a timestamp of 0 as 'now': the first millisecond of 1970 is written as the second. */
export function nativeTimestamp(timestampMs: number): number {
  return timestampMs > 0 ? timestampMs : 1;
}
