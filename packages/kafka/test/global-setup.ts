import { startEmbeddedBroker } from "../src/broker/embedded-broker.ts";

/**
 * One broker for a whole vitest run: that of REPRISE_BOOTSTRAP when it is set, else an embedded one. Tests therefore give their
 * topics, groups and transactional ids names of their own.
 */
export default async function setup(): Promise<(() => Promise<void>) | undefined> {
  const given = process.env["REPRISE_BOOTSTRAP"];
  if (given !== undefined && given !== "") return undefined;
  const broker = await startEmbeddedBroker({ log: (line) => console.error(line) });
  process.env["REPRISE_BOOTSTRAP"] = broker.bootstrap;
  return async () => {
    delete process.env["REPRISE_BOOTSTRAP"];
    await broker.stop();
  };
}
