import { expect, test } from "vitest";
import type { Check } from "../../../src/engine/doctor/check.ts";
import { aSqlite } from "../../support/a-sqlite.ts";
import { anEnvironment, type Environment } from "../../support/an-environment.ts";
import { aLandingEnvironment } from "../../support/landing-environment.ts";
import { aMariadb } from "../../support/mariadb.ts";
import { onEachServer } from "../../support/mysql-servers.ts";

async function checksOf(environment: Environment): Promise<ReadonlyMap<string, Check>> {
  const { json } = await environment.run(["doctor", "--json"]);
  const checks = json["checks"] as readonly Check[];
  return new Map(checks.filter(({ side }) => side === "source").map((check) => [check.id, check]));
}

test("the doctor looks at a SQLite source: the file, the release, the key and the secrets", async () => {
  await using postgres = await anEnvironment();
  await using sqlite = await aSqlite(postgres.source.url);
  await using environment = await aLandingEnvironment({ url: sqlite.url });

  const checks = await checksOf(environment);

  const said = [...checks].map(([id, { status }]) => `${id} ${status}`);
  expect(said).toEqual([
    "reachable ok",
    "version ok",
    "read-only ok",
    "journal note",
    "size note",
    "staging ok",
    "release ok",
    "schema-differences ok",
    "fernet-key ok",
    "unpaused-dags note",
  ]);
  expect(checks.get("release")?.detail).toContain("2.10.3 and later");
  expect(checks.get("fernet-key")?.detail).toMatch(/decrypts [1-9]/);
});

onEachServer((at) => {
  test("the doctor names the right that a MariaDB user lacks, with the statement that gives it", async () => {
    const server = at();
    await using mariadb = await aMariadb(server);
    await using environment = await aLandingEnvironment({ url: mariadb.url });
    await mariadb.query(`revoke select on ${mariadb.name}.* from '${mariadb.name}'@'%'`);
    await mariadb.query(`grant insert on ${mariadb.name}.* to '${mariadb.name}'@'%'`);

    const checks = await checksOf(environment);

    expect(checks.get("rights")).toMatchObject({
      status: "blocker",
      next: [`GRANT SELECT ON \`${mariadb.name}\`.* TO '${mariadb.name}'@'%';`],
    });
    await mariadb.query(`grant select on ${mariadb.name}.* to '${mariadb.name}'@'%'`);
    const healed = await checksOf(environment);
    expect(healed.get("rights")?.status).toBe("ok");
    expect(healed.get("release")?.status).toBe("ok");
  });
});
