// Opens a store and keeps it until it is killed.
import { stateEngineNamed, type StateEngineName } from "@reprise/state";

const [, , name, folder] = process.argv as [string, string, StateEngineName, string];
await stateEngineNamed(name).open(folder);
process.stdout.write("open\n");
setInterval(() => undefined, 60_000);
