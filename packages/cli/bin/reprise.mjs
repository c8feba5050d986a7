#!/usr/bin/env node
import { main } from "../dist/main.js";

// Connections that are kept open for reuse must not keep a finished command waiting.
process.exit(await main(process.argv.slice(2)));
