import { setTimeout as sleep } from "node:timers/promises";
import { untilToldToStop } from "../../src/commands/until-told-to-stop.ts";

// As one that takes its time to load.
if (process.connected) await new Promise((resolve) => process.once("disconnect", resolve));
const awake = setInterval(() => undefined, 1_000);
await Promise.race([untilToldToStop(), sleep(20_000).then(() => process.exit(3))]);
clearInterval(awake);
process.exit(0);
