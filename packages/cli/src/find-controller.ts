import { ControllerClient } from "@reprise/controller";
import { defaultDevFolder, devFolder, readControllerFile } from "./dev/dev-folder.ts";

const fallbackUrl = "http://127.0.0.1:7070";

/** The controller to ask: the one named, else REPRISE_CONTROLLER, else that of `reprise dev` in this folder, else port 7070. */
export async function findController(url: string | undefined): Promise<ControllerClient> {
  const named = url ?? process.env.REPRISE_CONTROLLER;
  if (named !== undefined && named !== "") return new ControllerClient(named);
  const file = await readControllerFile(devFolder(defaultDevFolder));
  return new ControllerClient(file?.url ?? fallbackUrl);
}
