import { expect, test } from "vitest";
import { parseFernetKeys } from "../../../src/airflow/codecs/index.ts";
import { Secret } from "../../../src/domain/secret.ts";
import { aSqlite } from "../../support/a-sqlite.ts";
import { anEnvironment, type Environment, migrate } from "../../support/an-environment.ts";
import { compareTargets } from "../../support/compare-targets.ts";
import { fitForMariadb } from "../../support/fit-for-mariadb.ts";
import { aLandingEnvironment } from "../../support/landing-environment.ts";
import { aMariadb } from "../../support/mariadb.ts";
import { onEachServer } from "../../support/mysql-servers.ts";

/** What differs between a target filled from the environment's Postgres and one filled from another kind of database. */
async function differences(postgres: Environment, other: Environment): Promise<readonly string[]> {
  const key = postgres.variables["TARGET_FERNET_KEY"] ?? "";
  await migrate(postgres);
  await migrate(other, { TARGET_FERNET_KEY: key });
  return await compareTargets(postgres.target.url, other.target.url, parseFernetKeys(new Secret(key)));
}

test("a copy from SQLite equals the copy from a Postgres with the same rows", async () => {
  await using postgres = await anEnvironment();
  await using sqlite = await aSqlite(postgres.source.url);
  await using other = await aLandingEnvironment({ url: sqlite.url, staging: "embedded" });

  expect(await differences(postgres, other)).toEqual([]);
}, 180_000);

onEachServer((at) => {
  test("a copy from MariaDB equals the copy from a Postgres with the same rows", async () => {
    await using postgres = await anEnvironment();
    const server = at();
    await fitForMariadb(postgres.source, server.product);
    await using mariadb = await aMariadb(server, postgres.source.url);
    await using other = await aLandingEnvironment({ url: mariadb.url });

    expect(await differences(postgres, other)).toEqual([]);
  }, 180_000);
});
