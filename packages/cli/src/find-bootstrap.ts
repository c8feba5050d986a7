import { defaultDevFolder, devFolder, readControllerFile } from "./dev/dev-folder.ts";

/** The Kafka to talk to: the one named, else REPRISE_BOOTSTRAP, else that of `reprise dev` in this folder, else port 9092. */
export async function findBootstrap(given: string | undefined): Promise<string> {
  const named = given ?? process.env.REPRISE_BOOTSTRAP;
  if (named !== undefined && named !== "") return named;
  return (await readControllerFile(devFolder(defaultDevFolder)))?.bootstrap ?? "127.0.0.1:9092";
}
