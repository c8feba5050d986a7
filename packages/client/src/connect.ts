import type { Processor } from "@reprise/processor";
import { RepriseError } from "@reprise/schema";
import { Gateway } from "./internal/gateway.ts";
import { remoteView } from "./internal/remote-view.ts";
import type { ViewsOf } from "./views.ts";

export interface ConnectOptions {
  /** Of the controller or a gateway, such as `http://localhost:7070`. */
  readonly url: string;
  /** Sent as `Authorization: Bearer`. */
  readonly token?: string;
}

/**
 * The views of a processor, typed from its declaration; `import type` is enough. Nothing is sent before the first read, and nothing
 * has to be closed. Values come as JSON: bigint as a decimal string, bytes as base64.
 * @throws RepriseError INVALID_ARGUMENT when the name is empty
 * @example
 * const reprise = connect<typeof sessions>("sessions", { url: "http://localhost:7070" });
 * const visit = await reprise.visit.current("user-1");
 */
// oxlint-disable-next-line typescript/no-explicit-any -- Processor is invariant in its shape
export function connect<P extends Processor<any>>(name: string, o: ConnectOptions): P extends Processor<infer D> ? ViewsOf<D> : never {
  if (typeof name !== "string" || name.length === 0)
    throw new RepriseError("INVALID_ARGUMENT", "connect: expected the name of a processor");
  const gateway = new Gateway(name, o);
  const views = new Map<string, object>();
  const proxy = new Proxy(Object.freeze({}), {
    get(_target, view) {
      // A promise resolves whatever has a `then`; a client is no promise.
      if (typeof view !== "string" || view === "then") return undefined;
      let made = views.get(view);
      if (made === undefined) views.set(view, (made = remoteView(gateway, view)));
      return made;
    },
  });
  return proxy as P extends Processor<infer D> ? ViewsOf<D> : never;
}
