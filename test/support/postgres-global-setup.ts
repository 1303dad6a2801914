import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { openEmbeddedPostgres } from "../../src/databases/embedded/embedded-postgres.ts";
import { thisHost } from "../../src/databases/embedded/host.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The connection string of the test cluster's database `postgres`. */
    readonly postgresUrl: string;
  }
}

/** Databases of a run that was killed; templates (`template_…`) are kept, they are what takes long to make. */
const LEFT_OVER = /^test_/;

/** Starts the one Postgres of a test run, or joins the one of a run that goes on beside it. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const postgres = await openEmbeddedPostgres({
    name: "test",
    homeDir: join(import.meta.dirname, "../.."),
    host: thisHost("throwaway"),
    settings: { fsync: "off", synchronous_commit: "off", full_page_writes: "off", max_connections: "200" },
  });
  if (postgres.isFreshlyStarted) {
    const names = await postgres.listDatabases();
    for (const name of names.filter((each) => LEFT_OVER.test(each))) {
      await postgres.dropDatabase(name);
    }
  }
  project.provide("postgresUrl", postgres.url("postgres"));
  return async () => postgres[Symbol.asyncDispose]();
}
