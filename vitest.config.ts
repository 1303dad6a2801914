import { defineConfig } from "vitest/config";

const globalSetup = ["test/support/postgres-global-setup.ts"];

/** Unit tests need nothing running; all others share one embedded Postgres. */
export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["src/**/*.test.ts", "tools/**/*.test.ts"] } },
      {
        test: {
          name: "integration",
          include: ["test/integration/**/*.test.ts", "test/conformance/**/*.test.ts"],
          // Control is tried on genuine Airflows that run.
          exclude: ["test/conformance/control/**"],
          globalSetup,
          testTimeout: 180_000,
          hookTimeout: 120_000,
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: "crash",
          include: ["test/crash/**/*.test.ts"],
          globalSetup,
          testTimeout: 300_000,
          hookTimeout: 300_000,
          // Much of it waits: for what was killed to be found dead, for networks that say nothing.
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: "airflow",
          include: ["test/airflow/**/*.test.ts", "test/conformance/control/**/*.test.ts"],
          globalSetup,
          testTimeout: 600_000,
          hookTimeout: 600_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: "matrix",
          include: ["test/matrix/**/*.test.ts"],
          globalSetup,
          testTimeout: 600_000,
          hookTimeout: 600_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          // Not part of `npm test`: `npm run matrix -- --cutover`.
          name: "nightly",
          include: ["test/nightly/**/*.test.ts"],
          globalSetup,
          testTimeout: 1_200_000,
          hookTimeout: 1_500_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
