import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

/** Kafka's numbers of the requests that are worth being late. */
export const apiKeys = {
  Produce: 0,
  Fetch: 1,
  OffsetFetch: 9,
  JoinGroup: 11,
  Heartbeat: 12,
  SyncGroup: 14,
  InitProducerId: 22,
  AddPartitionsToTxn: 24,
  AddOffsetsToTxn: 25,
  EndTxn: 26,
  TxnOffsetCommit: 28,
} as const;

export type ApiName = keyof typeof apiKeys;

/**
 * What happens to one request:
 * - `hold`: it, and all that follows on its connection, comes later.
 * - `orphan`: its client sees the connection cut at once; the broker gets the request later all the same, and nobody its answer.
 * - `mute`: the broker gets it at once; instead of the answer the client sees the connection cut.
 */
export type RequestFault = "hold" | "orphan" | "mute";

interface Trap {
  readonly apiKey: number;
  readonly fault: RequestFault;
  readonly delayMs: number;
}

/** A connection of a client with the one to the broker behind it. */
class Passage {
  readonly #client: Socket;
  readonly #broker: Socket;
  readonly #trapFor: (apiKey: number) => Trap | undefined;
  readonly #delayMs: () => number;
  #pending: Buffer = Buffer.alloc(0);
  #toBroker: Promise<void> = Promise.resolve();
  #toClient: Promise<void> = Promise.resolve();
  #deaf = false;

  constructor(client: Socket, broker: Socket, trapFor: (apiKey: number) => Trap | undefined, delayMs: () => number) {
    this.#client = client;
    this.#broker = broker;
    this.#trapFor = trapFor;
    this.#delayMs = delayMs;
    for (const socket of [client, broker]) socket.setNoDelay(true).on("error", () => undefined);
    client.on("data", (chunk) => this.#requests(chunk));
    broker.on("data", (chunk) => this.#answer(chunk));
    client.on("close", () => {
      if (!this.#deaf) broker.destroy();
    });
    broker.on("close", () => client.destroy());
  }

  cut(): void {
    this.#client.destroy();
    this.#broker.destroy();
  }

  /** Requests begin with their length, key, version; one may come in many chunks, and many in one. */
  #requests(chunk: Buffer): void {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    while (this.#pending.length >= 6) {
      const size = 4 + this.#pending.readInt32BE(0);
      if (this.#pending.length < size) return;
      const request = this.#pending.subarray(0, size);
      this.#pending = this.#pending.subarray(size);
      if (!this.#deaf) this.#request(request, this.#trapFor(request.readInt16BE(4)));
    }
  }

  #request(request: Buffer, trap: Trap | undefined): void {
    const delayMs = this.#delayMs() + (trap === undefined || trap.fault === "mute" ? 0 : trap.delayMs);
    this.#toBroker = this.#toBroker.then(() => (delayMs > 0 ? later(delayMs) : undefined)).then(() => void this.#broker.write(request));
    if (trap === undefined || trap.fault === "hold") return;
    this.#deaf = true;
    if (trap.fault === "orphan") this.#client.destroy();
    // Long enough for the broker to have taken it.
    this.#toBroker = this.#toBroker.then(() => later(trap.fault === "mute" ? trap.delayMs : 2_000)).then(() => this.cut());
  }

  #answer(chunk: Buffer): void {
    if (this.#deaf) return;
    const delayMs = this.#delayMs();
    this.#toClient = this.#toClient.then(() => (delayMs > 0 ? later(delayMs) : undefined)).then(() => void this.#client.write(chunk));
  }
}

const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms).unref());

/** Stands on 127.0.0.1 between clients and a broker, and is bad at it when told to. */
export class BrokerProxy {
  readonly port: number;
  readonly #server: Server;
  readonly #passages = new Set<Passage>();
  #brokerPort = 0;
  #traps: Trap[] = [];
  #delayMs = 0;
  #refusing = false;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
    server.on("connection", (client) => this.#connected(client));
  }

  static async listen(): Promise<BrokerProxy> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("the proxy's socket has no port");
    return new BrokerProxy(server, address.port);
  }

  /** Where requests go from now on; before this, connections are refused. */
  leadTo(brokerPort: number): void {
    this.#brokerPort = brokerPort;
  }

  /** Every connection there is ends. */
  cutAll(): void {
    for (const passage of this.#passages) passage.cut();
  }

  /** Nobody gets through, nor stays connected, until `admit`. */
  refuse(): void {
    this.#refusing = true;
    this.cutAll();
  }

  admit(): void {
    this.#refusing = false;
  }

  /** From now on everything takes so much longer, in each direction; 0: no longer. */
  delay(ms: number): void {
    this.#delayMs = ms;
  }

  /** The next request of this kind meets this fault. */
  trap(api: ApiName, fault: RequestFault, delayMs: number): void {
    this.#traps.push({ apiKey: apiKeys[api], fault, delayMs });
  }

  /** Requests that no trap has caught go their way from now on. */
  disarm(): void {
    this.#traps = [];
    this.#delayMs = 0;
    this.admit();
  }

  async close(): Promise<void> {
    this.#server.close();
    this.cutAll();
    await once(this.#server, "close");
  }

  #connected(client: Socket): void {
    if (this.#refusing || this.#brokerPort === 0) {
      client.on("error", () => undefined).destroy();
      return;
    }
    const broker = connect(this.#brokerPort, "127.0.0.1");
    const passage = new Passage(
      client,
      broker,
      (apiKey) => this.#take(apiKey),
      () => this.#delayMs,
    );
    this.#passages.add(passage);
    broker.on("close", () => this.#passages.delete(passage));
  }

  #take(apiKey: number): Trap | undefined {
    const index = this.#traps.findIndex((trap) => trap.apiKey === apiKey);
    return index < 0 ? undefined : this.#traps.splice(index, 1)[0];
  }
}
