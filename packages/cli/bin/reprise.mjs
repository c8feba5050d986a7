#!/usr/bin/env node
import { main } from "../dist/main.js";

// Whoever read what we say has seen enough (`| head`): nothing went wrong.
process.stdout.on("error", (error) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});

// Connections that are kept open for reuse must not keep a finished command waiting.
process.exit(await main(process.argv.slice(2)));
