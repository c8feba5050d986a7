import { expect, test } from "vitest";
import { librdkafkaConnection, parseBootstrap, wireConnection } from "../src/connection-options.ts";

test("bootstrap addresses are host:port, several, also IPv6", () => {
  expect(parseBootstrap("a.example:9092, 127.0.0.1:1,[::1]:9092")).toEqual([
    { host: "a.example", port: 9092 },
    { host: "127.0.0.1", port: 1 },
    { host: "::1", port: 9092 },
  ]);
});

test.each(["", "localhost", "localhost:", "localhost:0", "localhost:70000", "a:9092,", "a b:9092"])(
  "'%s' is no bootstrap address",
  (bootstrap) => {
    expect(() => parseBootstrap(bootstrap)).toThrow(/is not of the form host:port/);
  },
);

test("security is said the same way to both clients", () => {
  const plain = { bootstrap: "a:1" };
  expect(librdkafkaConnection(plain)).toEqual({ "bootstrap.servers": "a:1", "security.protocol": "plaintext" });
  expect(wireConnection(plain)).toEqual({});
  const secure = {
    bootstrap: "a:1",
    tls: { ca: "CA", cert: "CERT", key: "KEY" },
    sasl: { mechanism: "SCRAM-SHA-512", username: "u", password: "p" },
  } as const;
  expect(librdkafkaConnection(secure)).toEqual({
    "bootstrap.servers": "a:1",
    "security.protocol": "sasl_ssl",
    "ssl.ca.pem": "CA",
    "ssl.certificate.pem": "CERT",
    "ssl.key.pem": "KEY",
    "sasl.mechanisms": "SCRAM-SHA-512",
    "sasl.username": "u",
    "sasl.password": "p",
  });
  expect(wireConnection(secure)).toEqual({
    tlsServerName: true,
    tls: { ca: "CA", cert: "CERT", key: "KEY" },
    sasl: { mechanism: "SCRAM-SHA-512", username: "u", password: "p" },
  });
  expect(librdkafkaConnection({ bootstrap: "a:1", tls: true })["security.protocol"]).toBe("ssl");
  expect(librdkafkaConnection({ bootstrap: "a:1", tls: { rejectUnauthorized: false } })["enable.ssl.certificate.verification"]).toBe(false);
});
