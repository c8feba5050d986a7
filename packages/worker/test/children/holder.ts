// Opens a store and keeps it until it is killed.
import { rocksDbEngine } from "@reprise/state";

await rocksDbEngine().open(process.argv[2] as string);
process.stdout.write("open\n");
setInterval(() => undefined, 60_000);
