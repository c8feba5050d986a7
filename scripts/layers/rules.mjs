// The layers of DESIGN.md, section 2, as data.

/** A package imports only packages of a lower rank. */
export const ranks = {
  schema: 0,
  processor: 1,
  engine: 2,
  kafka: 3,
  state: 3,
  checkpoint: 3,
  metrics: 3,
  worker: 4,
  controller: 5,
  cli: 6,
};

/** Beside the ranks: exactly these, and only types where it says so. */
export const facades = {
  testing: { schema: "values", processor: "values", engine: "values" },
  // RepriseError is a value; a client that loaded processor code would be as heavy as a worker.
  client: { schema: "values", processor: "types" },
  reprise: { schema: "values", processor: "values", testing: "values", client: "values" },
};

/** Native and third-party engines, and who may import them. What is not listed may be imported by one package. */
export const engines = {
  "@confluentinc/kafka-javascript": ["kafka"],
  "@platformatic/kafka": ["kafka"],
  "@nxtedition/rocksdb": ["state"],
  "classic-level": ["state"],
  "@node-rs/crc32": ["kafka", "state"],
  "@aws-sdk/client-s3": ["checkpoint"],
  "@datadog/sketches-js": ["engine"],
  "prom-client": ["metrics"],
  avsc: ["schema"],
  fastify: ["worker", "controller"],
  pino: ["worker", "controller", "cli"],
};

/** What processors may import: nothing that could make a replay differ. */
export const processorImports = { source: ["reprise"], test: ["reprise", "reprise/testing", "vitest"] };

/** Tools that tests get from the root's package.json. */
export const testTools = ["vitest"];

/** Test support that every package's tests share. */
export const sharedTestFolder = "test/support/";

/** Tests that run the insides of packages without what packages put around them: on a simulated Kafka there is no server and no client. */
export const insideTests = { folder: "test/simulation/", of: ["packages/engine/", "packages/worker/src/", "packages/controller/src/"] };
