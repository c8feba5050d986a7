import { fileURLToPath } from "node:url";
import { Supervisor } from "../../src/dev/supervisor.ts";

// A supervisor as a process of its own, so that a test can kill it: FOLDER FILE.
const [folder = "", file = ""] = process.argv.slice(2);
const script = process.env.CHILD_SCRIPT ?? fileURLToPath(new URL("child.mjs", import.meta.url));
new Supervisor({ logFolder: folder, log: () => undefined, command: { program: process.execPath, script } }).keep({
  name: "child",
  args: [file],
});
setInterval(() => undefined, 1_000);
