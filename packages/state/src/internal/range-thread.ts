import { createRequire } from "node:module";
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";
import type { StoredRow } from "@reprise/engine";

/** As classic-level takes it. */
export interface ThreadRange {
  readonly gt?: Uint8Array;
  readonly gte?: Uint8Array;
  readonly lt?: Uint8Array;
  readonly reverse: boolean;
  readonly limit: number;
  readonly highWaterMarkBytes: number;
}

interface Answer {
  readonly rows?: Uint8Array;
  readonly error?: { readonly message: string; readonly code?: string; readonly cause?: string; readonly causeCode?: string };
}

/**
 * Synchronous reads of ranges, by a thread that this one waits for: about 0.1 ms each. One for all stores of the process, started with the first
 * range; it does not keep the process alive.
 */
export class RangeThread {
  readonly #answered = new Int32Array(new SharedArrayBuffer(4));
  readonly #locations = new Set<string>();
  #port: MessagePort | undefined;

  /** Up to `size` rows: fewer at the end of the range, or when they are large. @throws what classic-level throws */
  read(location: string, cacheBytes: number, range: ThreadRange, size: number): StoredRow[] {
    this.#locations.add(location);
    const { rows } = this.#ask({ location, cacheBytes, range, size });
    return rows === undefined ? [] : unpack(rows);
  }

  /** The database is closed when all threads have closed it. */
  close(location: string): void {
    if (this.#locations.delete(location)) this.#ask({ location, close: true });
  }

  #ask(request: object): Answer {
    const port = (this.#port ??= this.#start());
    Atomics.store(this.#answered, 0, 0);
    port.postMessage(request);
    // The notification of an answer may come when the next one is waited for: only the value counts.
    while (Atomics.load(this.#answered, 0) === 0) Atomics.wait(this.#answered, 0, 0);
    const answer = (receiveMessageOnPort(port) as { message: Answer }).message;
    if (answer.error === undefined) return answer;
    const { message, code, cause, causeCode } = answer.error;
    const inner = cause === undefined ? undefined : Object.assign(new Error(cause), { code: causeCode });
    throw Object.assign(new Error(message, { cause: inner }), { code });
  }

  #start(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    // By its name in the package, not beside this file: sources, builds and bundles lie elsewhere.
    const file = createRequire(import.meta.url).resolve("@reprise/state/range-thread");
    const worker = new Worker(file, { workerData: { port: port2, answered: this.#answered }, transferList: [port2] });
    worker.unref();
    port1.unref();
    return port1;
  }
}

function unpack(bytes: Uint8Array): StoredRow[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const rows: StoredRow[] = [];
  for (let at = 0; at < buffer.length; ) {
    const keyEnd = at + 8 + buffer.readUInt32LE(at);
    const end = keyEnd + buffer.readUInt32LE(at + 4);
    rows.push({ key: buffer.subarray(at + 8, keyEnd), value: buffer.subarray(keyEnd, end) });
    at = end;
  }
  return rows;
}
