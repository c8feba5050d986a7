import { existsSync } from "node:fs";
import { defineConfig } from "vitest/config";

/** Tests see the packages' sources, users see builds. The build's tsconfig must not have this: it would switch off the boundary check of project references. */
const sources = {
  resolve: { conditions: ["source"] },
  ssr: { resolve: { conditions: ["source"], externalConditions: ["source"] } },
};
const broker = "packages/kafka/test/global-setup.ts";
/** Integration tests of packages that need a disk, but no broker: they run without waiting for one. With them goes the differential test, which needs neither. */
const diskOnly = ["packages/state", "packages/checkpoint", "packages/metrics", "scripts"].map(
  (folder) => `${folder}/test/**/*.int.test.ts`,
);
const node = { environment: "node" as const, pool: "forks" as const };

/** The tier of a test is in its file's name, so that nobody has to keep a list. */
export default defineConfig({
  test: {
    projects: [
      {
        ...sources,
        test: {
          ...node,
          name: "unit",
          sequence: { groupOrder: 0 },
          include: [
            "packages/**/test/**/*.test.ts",
            "examples/*/test/**/*.test.ts",
            "scripts/test/**/*.test.ts",
            "test/simulation/**/*.test.ts",
          ],
          exclude: ["**/node_modules/**", "**/dist/**", "**/*.int.test.ts"],
          // Random cases by the hundred, on machines that do something else too.
          testTimeout: 60_000,
        },
      },
      {
        ...sources,
        test: {
          ...node,
          name: "int",
          sequence: { groupOrder: 2 },
          include: ["packages/**/test/**/*.int.test.ts"],
          exclude: ["**/node_modules/**", "**/dist/**", ...diskOnly],
          globalSetup: existsSync(broker) ? [broker] : [],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          // One broker and two cores: more files at once only make each other's time-outs.
          maxWorkers: 2,
        },
      },
      {
        ...sources,
        test: {
          ...node,
          name: "disk",
          sequence: { groupOrder: 1 },
          include: [...diskOnly, "test/differential/**/*.test.ts", "test/corruption/**/*.test.ts"],
          exclude: ["**/node_modules/**", "**/dist/**"],
          testTimeout: 60_000,
          maxWorkers: 2,
        },
      },
      {
        ...sources,
        test: {
          ...node,
          name: "system",
          sequence: { groupOrder: 3 },
          include: ["test/**/*.test.ts"],
          exclude: ["**/node_modules/**", "**/dist/**", "test/differential/**", "test/simulation/**", "test/corruption/**"],
          testTimeout: 600_000,
          hookTimeout: 300_000,
          // Each starts workers and a controller of its own.
          fileParallelism: false,
        },
      },
    ],
  },
});
