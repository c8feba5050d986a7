import { defineConfig } from "vitest/config";

// Tests see sources, users see builds.
const conditions = ["source"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    name: "kafka",
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/global-setup.ts"],
    // The Kafka addon loads once per process and in no second thread.
    pool: "forks",
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
