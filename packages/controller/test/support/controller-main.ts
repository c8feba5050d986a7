import { pino } from "pino";
import { startController } from "../../src/index.ts";

// One controller as a process of its own, so that a test can kill it: BOOTSTRAP PORT. Says so on standard output when it listens.
const [bootstrap = "", port = "0"] = process.argv.slice(2);
const logger = pino({ level: process.env.REPRISE_LOG_LEVEL ?? "silent" }, process.stderr);
const controller = await startController({ bootstrap, port: Number(port), stabilityMs: 300, intervalMs: 50, takeOver: true, logger });
console.log(controller.url);
