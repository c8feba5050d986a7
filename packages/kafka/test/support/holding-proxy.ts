import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** Kafka's number of the request that ends a transaction. */
export const endTxn = 26;

/** A request that its client gave up, and that has not reached the broker yet. */
export interface HeldRequest {
  /** The broker gets it now. Resolves when it has answered. */
  release(): Promise<void>;
}

/** Stands on 127.0.0.1 between clients and a broker. */
export interface HoldingProxy {
  readonly port: number;
  leadTo(brokerPort: number): void;
  /** The next request of this kind is held back, and its client sees the connection cut. Resolves when there was one. */
  holdNext(apiKey: number): Promise<HeldRequest>;
  close(): Promise<void>;
}

export async function listenAsProxy(): Promise<HoldingProxy> {
  const sockets = new Set<Socket>();
  let brokerPort = 0;
  let trap: { readonly apiKey: number; readonly caught: (held: HeldRequest) => void } | undefined;

  const server = createServer((client) => {
    const broker = connect(brokerPort, "127.0.0.1");
    let pending = Buffer.alloc(0);
    let holding = false;
    for (const socket of [client, broker]) {
      sockets.add(socket.setNoDelay(true));
      socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
    }
    client.on("close", () => {
      if (!holding) broker.destroy();
    });
    broker.on("close", () => client.destroy());
    broker.on("data", (chunk) => {
      if (!holding) client.write(chunk);
    });
    client.on("data", (chunk) => {
      pending = Buffer.concat([pending, chunk]);
      // A request begins with its length and its kind; one may come in many chunks, and many in one.
      while (!holding && pending.length >= 6 && pending.length >= 4 + pending.readInt32BE(0)) {
        const request = pending.subarray(0, 4 + pending.readInt32BE(0));
        pending = pending.subarray(request.length);
        if (trap === undefined || request.readInt16BE(4) !== trap.apiKey) {
          broker.write(request);
          continue;
        }
        const { caught } = trap;
        trap = undefined;
        holding = true;
        client.destroy();
        caught({
          async release() {
            const answer = once(broker, "data");
            broker.write(request);
            await answer;
            broker.destroy();
          },
        });
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  return {
    port: (server.address() as { port: number }).port,
    leadTo(port) {
      brokerPort = port;
    },
    holdNext: (apiKey) => new Promise((caught) => (trap = { apiKey, caught })),
    async close() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, "close");
    },
  };
}
