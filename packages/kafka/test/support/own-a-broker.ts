// A process that starts a broker, says which, and waits to be killed.
import { startEmbeddedBroker } from "../../src/broker/embedded-broker.ts";

const broker = await startEmbeddedBroker();
console.log(JSON.stringify({ pid: broker.pid, folder: broker.folder }));
setInterval(() => undefined, 1_000);
