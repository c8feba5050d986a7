import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const runner = fileURLToPath(new URL("../../../scripts/run-source.mjs", import.meta.url));
const child = fileURLToPath(new URL("children/told-late.ts", import.meta.url));

test("a child whose supervisor is gone before it listens is told to stop all the same", async () => {
  const orphan = spawn(process.execPath, [runner, child], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  orphan.disconnect();
  const [code] = (await once(orphan, "exit")) as [number | null];
  expect(code).toBe(0);
});
