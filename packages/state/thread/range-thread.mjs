// Reads ranges of LevelDB stores for the main thread, which waits for the answer: handlers are synchronous, and classic-level's iterators are not.
// Both threads share one open database (`multithreading`), so that what was written is seen.
import { workerData } from "node:worker_threads";
import { ClassicLevel } from "classic-level";

/** @type {{ port: import("node:worker_threads").MessagePort, answered: Int32Array }} */
const { port, answered } = workerData;
/** @type {Map<string, ClassicLevel<Uint8Array, Uint8Array>>} */
const open = new Map();
const options = { keyEncoding: "view", valueEncoding: "view", multithreading: true, createIfMissing: false };

port.on("message", (/** @type {any} */ request) => void serve(request));

/** @param {any} request */
async function serve(request) {
  const answer = await (request.close === true ? close(request.location) : read(request)).catch(errorAnswer);
  port.postMessage(answer);
  Atomics.store(answered, 0, 1);
  Atomics.notify(answered, 0);
}

/** What of an error gets through to another thread. @param {any} error */
const errorAnswer = ({ message, code, cause }) => ({ error: { message, code, cause: cause?.message, causeCode: cause?.code } });

/** @param {{ location: string, cacheBytes: number, range: object, size: number }} request */
async function read({ location, cacheBytes, range, size }) {
  let db = open.get(location);
  if (db === undefined) {
    db = new ClassicLevel(location, { ...options, cacheSize: cacheBytes });
    await db.open();
    open.set(location, db);
  }
  const iterator = db.iterator(range);
  try {
    return { rows: pack(await iterator.nextv(size)) };
  } finally {
    await iterator.close();
  }
}

/** @param {string} location */
async function close(location) {
  const db = open.get(location);
  open.delete(location);
  await db?.close();
  return {};
}

/** One buffer instead of two a row: [u32 key length][u32 value length][key][value]. @param {[Uint8Array, Uint8Array][]} rows */
function pack(rows) {
  let length = 0;
  for (const [key, value] of rows) length += 8 + key.length + value.length;
  const bytes = Buffer.alloc(length);
  let at = 0;
  for (const [key, value] of rows) {
    at = bytes.writeUInt32LE(key.length, at);
    at = bytes.writeUInt32LE(value.length, at);
    bytes.set(key, at);
    at += key.length;
    bytes.set(value, at);
    at += value.length;
  }
  return bytes;
}
