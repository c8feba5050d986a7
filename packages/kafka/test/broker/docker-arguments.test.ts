import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { brokerSettings, propertiesFile } from "../../src/broker/broker-settings.ts";
import { containerDataFolder, dockerRunArguments } from "../../src/broker/docker-arguments.ts";
import { kafkaVersion } from "../../src/broker/kafka-version.ts";

const settings = brokerSettings({ port: 19092, controllerPort: 19093, bindHost: "0.0.0.0", logFolder: containerDataFolder });

test("Docker publishes the port on loopback only and keeps the data on this machine", () => {
  const args = dockerRunArguments({
    containerName: "reprise-kafka-19092",
    port: 19092,
    dataFolder: "/data/k",
    heapMb: 512,
    settings,
    user: "1000:1000",
  });
  expect(args.slice(0, 10)).toEqual([
    "run",
    "--rm",
    "--name",
    "reprise-kafka-19092",
    "--publish",
    "127.0.0.1:19092:19092",
    "--volume",
    "/data/k:/var/lib/kafka/data",
    "--user",
    "1000:1000",
  ]);
  expect(args).toContain("KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://127.0.0.1:19092");
  expect(args).toContain("KAFKA_LISTENERS=PLAINTEXT://0.0.0.0:19092,CONTROLLER://127.0.0.1:19093");
  expect(args).toContain("KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS=0");
  expect(args).toContain("KAFKA_HEAP_OPTS=-Xmx512m -Xms256m");
  expect(args.at(-1)).toBe(`apache/kafka:${kafkaVersion}`);
});

test("the broker on this machine listens on loopback only", () => {
  const local = brokerSettings({ port: 1, controllerPort: 2, bindHost: "127.0.0.1", logFolder: "/tmp/x" });
  expect(propertiesFile(local)).toContain("listeners=PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2\n");
  expect(local.get("auto.create.topics.enable")).toBe("false");
});

test("the pom fetches the release that the broker says it runs", () => {
  const pom = readFileSync(new URL("../../kafka-jars.pom.xml", import.meta.url), "utf8");
  expect([...pom.matchAll(/<version>(.*)<\/version>/g)].map((match) => match[1])).toEqual([kafkaVersion, kafkaVersion, "1.7.36"]);
});

test("a proxy's clients have a port of their own, and are sent to the proxy for everything", () => {
  const proxied = brokerSettings({
    port: 1,
    controllerPort: 2,
    bindHost: "127.0.0.1",
    logFolder: "/tmp/x",
    proxied: { port: 3, proxyPort: 4 },
  });
  expect(proxied.get("listeners")).toBe("PLAINTEXT://127.0.0.1:1,PROXIED://127.0.0.1:3,CONTROLLER://127.0.0.1:2");
  expect(proxied.get("advertised.listeners")).toBe("PLAINTEXT://127.0.0.1:1,PROXIED://127.0.0.1:4");
  const args = dockerRunArguments({ containerName: "c", port: 1, proxiedPort: 3, dataFolder: "/d", heapMb: 256, settings: proxied });
  expect(args.join(" ")).toContain("--publish 127.0.0.1:1:1 --publish 127.0.0.1:3:3");
});
