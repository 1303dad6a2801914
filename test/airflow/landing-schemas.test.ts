import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Schema } from "../../src/domain/schema.ts";
import { aStaging, landedSchema } from "../support/a-landing.ts";
import { anEmptyMariadb, mariadbServer } from "../support/mariadb.ts";
import { recordedSchema } from "../support/recorded-schemas.ts";
import { initDatabase } from "./support/databases.ts";
import { ensureAirflow } from "./support/install.ts";
import { type ReleaseName, releases } from "./support/releases.ts";

const FERNET_KEY = "q3dJ1mTqL0n2cXo5wQm8sJt7bYh4vFz9aRk6uEi1pOs=";
const ALL = Object.keys(releases) as ReleaseName[];

/**
 * Not on MariaDB 10.11: 2.0.2's own migration fails there; 3.x refuses every driver but mysqlclient, which has to be compiled.
 */
const ON_MARIADB = ALL.filter((release) => release !== "2.0.2" && !release.startsWith("3."));

/** Tables with their columns and types, in no order. */
function columnsOf(schema: Schema): Readonly<Record<string, readonly string[]>> {
  const tables = Object.entries(schema.tables).map(
    ([name, { columns }]) => [name, columns.map(([column, type]) => `${column} ${type}`).sort()] as const,
  );
  return Object.fromEntries(tables);
}

/** Lands what a genuine Airflow makes of an empty database. */
async function landedFrom(release: ReleaseName, urls: { readonly airflow: string; readonly crosswind: string }) {
  await initDatabase(await ensureAirflow(release), urls.airflow, FERNET_KEY);
  await using staging = await aStaging();
  const { findings } = await staging.land(urls.crosswind);
  return { findings, columns: columnsOf(await landedSchema(staging)) };
}

describe("a database that a genuine Airflow made is landed with the columns and types of its Postgres schema", () => {
  test.for(ALL)("SQLite, %s", async (release) => {
    const folder = await mkdtemp(join(tmpdir(), "crosswind-schemas-"));
    try {
      const url = `sqlite:///${join(folder, "airflow.db")}`;

      const { findings, columns } = await landedFrom(release, { airflow: url, crosswind: url });

      expect(findings).toEqual([]);
      expect(columns).toEqual(columnsOf(recordedSchema(release)));
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test.for(ON_MARIADB)("MariaDB, %s", async (release) => {
    await using server = await mariadbServer();
    await using mariadb = await anEmptyMariadb(server);
    const airflow = `mysql+pymysql://root@127.0.0.1:${server.port}/${mariadb.name}`;

    const { findings, columns } = await landedFrom(release, { airflow, crosswind: mariadb.url });

    expect(findings).toEqual([]);
    expect(columns).toEqual(columnsOf(recordedSchema(release)));
  });
});
