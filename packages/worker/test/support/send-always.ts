import { setTimeout as sleep } from "node:timers/promises";
import type { Deployed } from "./lab.ts";
import { asRecords, type Payment, payments } from "./payments.ts";

/** Sends payments without a pause until `stop`, which resolves with all that were sent. */
export function sendAlways(deployed: Deployed): { readonly stop: () => Promise<Payment[]> } {
  let stopped = false;
  const sent: Payment[] = [];
  const sending = (async () => {
    while (!stopped) {
      const some = payments(100, { from: sent.length });
      await deployed.send(asRecords(some));
      sent.push(...some);
      await sleep(20);
    }
    return sent;
  })();
  // Until `stop` asks for it.
  sending.catch(() => undefined);
  return {
    stop: async () => {
      stopped = true;
      return await sending;
    },
  };
}
