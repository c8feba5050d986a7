import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { apiKeys, BrokerProxy } from "./broker-proxy.ts";

let broker: Server;
let proxy: BrokerProxy;
/** Requests as the broker got them: key and text. */
let got: string[];
const clients: Socket[] = [];

beforeEach(async () => {
  got = [];
  broker = createServer((socket) => {
    socket.on("error", () => undefined);
    let pending = Buffer.alloc(0);
    socket.on("data", (chunk) => {
      pending = Buffer.concat([pending, chunk]);
      while (pending.length >= 4 && pending.length >= 4 + pending.readInt32BE(0)) {
        const size = 4 + pending.readInt32BE(0);
        got.push(`${pending.readInt16BE(4)} ${pending.toString("utf8", 6, size)}`);
        socket.write(pending.subarray(6, size));
        pending = pending.subarray(size);
      }
    });
  });
  broker.listen(0, "127.0.0.1");
  await once(broker, "listening");
  proxy = await BrokerProxy.listen();
  proxy.leadTo((broker.address() as { port: number }).port);
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await proxy.close();
  broker.close();
});

interface Client {
  readonly socket: Socket;
  answers: string;
  closed: boolean;
}

async function open(): Promise<Client> {
  const socket = connect(proxy.port, "127.0.0.1");
  clients.push(socket);
  const client: Client = { socket, answers: "", closed: false };
  socket.on("error", () => undefined);
  socket.on("data", (chunk) => (client.answers += chunk.toString()));
  socket.on("close", () => (client.closed = true));
  await once(socket, "connect");
  return client;
}

function request(apiKey: number, text: string): Buffer {
  const bytes = Buffer.alloc(6 + text.length);
  bytes.writeInt32BE(2 + text.length, 0);
  bytes.writeInt16BE(apiKey, 4);
  bytes.write(text, 6);
  return bytes;
}

const until = (check: () => boolean): Promise<void> => expect.poll(check, { timeout: 10_000, interval: 5 }).toBe(true);

test("requests and answers go through, also in pieces and several at once", async () => {
  const client = await open();
  const both = Buffer.concat([request(0, "first"), request(1, "second")]);
  for (let i = 0; i < both.length; i += 3) {
    client.socket.write(both.subarray(i, i + 3));
    await sleep(1);
  }
  client.socket.write(Buffer.concat([request(2, "third"), request(3, "fourth")]));
  await until(() => client.answers === "firstsecondthirdfourth");
  expect(got).toEqual(["0 first", "1 second", "2 third", "3 fourth"]);
});

test("a request that is held holds what follows on its connection, in order, and no other connection", async () => {
  proxy.trap("EndTxn", "hold", 300);
  const [held, other] = [await open(), await open()];
  held.socket.write(Buffer.concat([request(0, "a"), request(apiKeys.EndTxn, "b"), request(0, "c")]));
  await until(() => held.answers === "a");
  other.socket.write(request(apiKeys.EndTxn, "d"));
  await until(() => other.answers === "d");
  expect(held.answers).toBe("a");
  await until(() => held.answers === "abc");
  expect(got).toEqual(["0 a", "26 d", "26 b", "0 c"]);
});

test("an orphan's client is cut off at once, and the broker gets the request later; what the client sent after it is gone", async () => {
  proxy.trap("EndTxn", "orphan", 300);
  const client = await open();
  client.socket.write(Buffer.concat([request(0, "a"), request(apiKeys.EndTxn, "b"), request(0, "c")]));
  await until(() => client.closed);
  expect(got).not.toContain("26 b");
  await until(() => got.includes("26 b"));
  expect(got).not.toContain("0 c");
});

test("a mute request reaches the broker at once, and its client sees the connection cut instead of the answer", async () => {
  proxy.trap("Produce", "mute", 200);
  const client = await open();
  client.socket.write(request(0, "a"));
  await until(() => got.length === 1);
  await until(() => client.closed);
  expect(client.answers).toBe("");
});

test("connections are cut and refused, and let through again", async () => {
  const client = await open();
  client.socket.write(request(0, "a"));
  await until(() => client.answers === "a");
  proxy.refuse();
  await until(() => client.closed);
  const refused = await open();
  await until(() => refused.closed);
  proxy.admit();
  const admitted = await open();
  admitted.socket.write(request(0, "b"));
  await until(() => admitted.answers === "b");
});
