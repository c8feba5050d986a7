// A child of the supervisor: writes its pid and its environment, then waits until it is told to end or its parent is gone.
import { appendFileSync } from "node:fs";

const [file, behaviour] = process.argv.slice(2);
appendFileSync(file, `${process.pid} ${process.env.REPRISE_FAILPOINT ?? "-"}\n`);
process.on("disconnect", () => process.exit(0));
if (behaviour === "dies") process.exit(3);
setInterval(() => undefined, 1_000);
