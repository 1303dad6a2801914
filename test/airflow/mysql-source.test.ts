import { afterAll, describe, expect, inject, test } from "vitest";
import type { Row } from "../../src/ports/database.ts";
import { contentDatabase, emptyDatabase, SOURCE_KEY, TARGET_KEY } from "../matrix/databases.ts";
import { type MatrixSide, prove } from "../matrix/prove.ts";
import { anEnvironment } from "../support/an-environment.ts";
import { whyNoPackages } from "../support/debian-packages.ts";
import { fitForMariadb, fitTexts } from "../support/fit-for-mariadb.ts";
import { anEmptyMariadb, fill, type MariadbServer, mariadbServer, type TestMariadb } from "../support/mariadb.ts";
import { newestServer } from "../support/newest-servers.ts";
import { copyDatabase, initDatabase, query } from "./support/databases.ts";
import { ensureAirflow } from "./support/install.ts";
import { addMysqlClient } from "./support/mysql-client.ts";
import { readEverything } from "./support/proofs.ts";
import type { ReleaseName } from "./support/releases.ts";

interface Sources {
  /** The genuine schema of the release on MySQL, with the content of the matrix as far as MySQL has a place for it. */
  readonly mysql: TestMariadb;
  /** `mysql+mysqldb://...`, as that release's Airflow has it. */
  readonly url: string;
  /** A Postgres with the same content. */
  readonly postgres: MatrixSide;
}

async function sourcesOf(
  release: ReleaseName,
  server: MariadbServer,
  resources: AsyncDisposableStack,
): Promise<Sources> {
  const install = await ensureAirflow(release);
  await addMysqlClient(install);
  const mysql = resources.use(await anEmptyMariadb(server));
  await mysql.query(`grant all on ${mysql.name}.* to '${mysql.name}'@'%'`);
  const url = mysql.url.replace("pymysql", "mysqldb");
  await initDatabase(install, url, SOURCE_KEY);
  const serverUrl = inject("postgresUrl");
  const content = await contentDatabase([release], serverUrl);
  const copy = resources.use(await copyDatabase(serverUrl, content, `test_content_${mysql.name}`));
  const database = { query: async <R extends Row>(sql: string) => await query<R>(copy.url, sql) };
  await fitForMariadb(database, server.product);
  await fitTexts(database, mysql);
  await fill(mysql.connection, copy.url);
  return { mysql, url, postgres: { path: [release], databaseUrl: copy.url, fernetKey: SOURCE_KEY } };
}

const missing = await whyNoPackages();

/** Each 3.x that differs much, on each product; back to 2.10.5, too. */
const CASES = [
  { release: "3.3.2", product: "MySQL", open: () => newestServer("MySQL"), why: missing },
  { release: "3.0.6", product: "MySQL", open: () => newestServer("MySQL"), why: missing },
  { release: "3.3.2", product: "MariaDB", open: mariadbServer, why: undefined },
] as const;
const TARGETS: readonly ReleaseName[] = ["3.3.2", "2.10.5"];

describe.each(CASES)("$release on $product", ({ release, open, why }) => {
  const resources = new AsyncDisposableStack();
  let sources: Promise<Sources> | undefined;
  const opened = () => {
    sources ??= open().then((server) => sourcesOf(release, resources.use(server), resources));
    return sources;
  };
  afterAll(() => resources.disposeAsync());

  test.skipIf(why !== undefined)(`is read whole by its own Airflow ${why ?? ""}`, async () => {
    const { url, postgres } = await opened();
    const install = await ensureAirflow(release);

    const [there, same] = [
      await readEverything({ install, databaseUrl: url, fernetKey: SOURCE_KEY }),
      await readEverything({ install, ...postgres }),
    ];

    expect(there.failures).toEqual(same.failures);
    expect(there.read).toEqual(same.read);
  });

  test.skipIf(why !== undefined).for(TARGETS)(`moves to %s on Postgres ${why ?? ""}`, async (target) => {
    const { mysql, postgres } = await opened();
    await using database = await emptyDatabase([target], inject("postgresUrl"), `test_target_${mysql.name}`);
    const config = "staging: ${env:STATE_DATABASE_URL}";
    await using environment = await anEnvironment({ source: "nothing", target: "nothing", config });
    const env = {
      SOURCE_DATABASE_URL: mysql.url,
      SOURCE_FERNET_KEY: SOURCE_KEY,
      TARGET_DATABASE_URL: database.url,
      TARGET_FERNET_KEY: TARGET_KEY,
    };

    const planned = await environment.plan(["--accept-loss"], { env });
    expect(planned.code, planned.output).toBe(0);
    for (const command of ["apply", "verify"]) {
      const ran = await environment.run([command, "--json"], { env });
      expect(ran.code, ran.output).toBe(0);
    }
    const proof = await prove(postgres, [{ path: [target], databaseUrl: database.url, fernetKey: TARGET_KEY }]);

    expect(proof.compared.differences).toEqual([]);
    expect(proof.orm.failures).toEqual([]);
    expect(proof.api.failures).toEqual([]);
    expect(proof.compared.values).toBeGreaterThan(1000);
  });
});
