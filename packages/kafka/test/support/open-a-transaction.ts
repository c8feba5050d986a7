// A process that opens a transaction on (bootstrap, topic, transactional id), says so once the broker has its record, and waits to be killed.
import { createAdmin } from "../../src/admin/admin.ts";
import { nativeClient } from "../../src/internal/native-client.ts";
import { createTransactionalWriter } from "../../src/writer/transactional-writer.ts";

const [bootstrap, topic, transactionalId] = process.argv.slice(2);
if (bootstrap === undefined || topic === undefined || transactionalId === undefined) throw new Error("bootstrap, topic and id are needed");
const consumer = new (nativeClient().KafkaConsumer)({ "bootstrap.servers": bootstrap, "group.id": "open-a-transaction" }, {});
const writer = createTransactionalWriter({ bootstrap, transactionalId, consumer });
await writer.init();
await writer.begin();
writer.produce(topic, 0, null, Buffer.from("lost"), 1);
const admin = createAdmin({ bootstrap });
while ((await admin.endOffsets(topic, "high-watermark"))[0] !== 1) await new Promise((resolve) => setTimeout(resolve, 10));
console.log("open");
setInterval(() => undefined, 1_000);
