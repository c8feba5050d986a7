import type { ControllerContext } from "./controller-context.ts";
export function controllerMetrics(_c: ControllerContext): () => Promise<{ contentType: string; text: string }> {
  return async () => ({ contentType: "text/plain", text: "" });
}
