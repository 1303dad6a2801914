import { createHash } from "node:crypto";
import { glob, readFile } from "node:fs/promises";
import { join } from "node:path";
import { loadFixture } from "../../src/databases/postgres/load-fixture.ts";
import { anEnvironment, type Environment, migrate } from "./an-environment.ts";
import { templateDatabase } from "./database.ts";

const ROOT = join(import.meta.dirname, "../..");
const FIXTURES = join(ROOT, "test/fixtures");
const TARGET_KEY = Buffer.alloc(32, 7).toString("base64url").padEnd(44, "=");

/** Changes with anything that a migration could come out otherwise by. */
async function digestOfSources(): Promise<string> {
  const files: string[] = [];
  for await (const file of glob(["src/**/*.ts", "test/fixtures/airflow-*.sql.gz"], { cwd: ROOT })) files.push(file);
  const hash = createHash("sha256");
  for (const file of files.sort()) hash.update(file).update(await readFile(join(ROOT, file)));
  return hash.digest("hex").slice(0, 16);
}

/** The recorded source and a target that it was moved to, made once by the commands themselves. */
async function migratedTemplates(): Promise<{ readonly source: string; readonly target: string }> {
  const digest = await digestOfSources();
  const load = (fixture: string) => (url: string) => loadFixture(url, join(FIXTURES, `${fixture}.sql.gz`));
  const source = await templateDatabase(`migrated_source_${digest}`, load("airflow-2.10.5"));
  const target = await templateDatabase(`migrated_target_${digest}`, async (url) => {
    await load("airflow-3.3.2-empty")(url);
    await using environment = await anEnvironment({ source: "nothing", target: "nothing" });
    const from = new URL(url);
    from.pathname = `/${source}`;
    await migrate(environment, {
      SOURCE_DATABASE_URL: from.href,
      TARGET_DATABASE_URL: url,
      TARGET_FERNET_KEY: TARGET_KEY,
    });
  });
  return { source, target };
}

/** The copied source is another database than the one that the copied ledger speaks of; nothing else about it is. */
const FOLLOW = `
  do $$ declare each record; begin
    for each in select table_name from information_schema.columns where table_schema = 'crosswind' and column_name = 'source' loop
      execute format('update crosswind.%I set source = %L', each.table_name, current_setting('test.identity'));
    end loop;
  end $$`;

/** A pair that plan, apply and verify went over, ready in a moment: without the plan's file, and with nothing in the state database. */
export async function aMigratedEnvironment(): Promise<Environment> {
  const templates = await migratedTemplates();
  const environment = await anEnvironment({ templates, targetKey: TARGET_KEY });
  const { source, target } = environment;
  const [row] = await source.query<{ identity: string }>(
    `select (select system_identifier from pg_control_system()) || '/' || oid as identity
     from pg_database where datname = current_database()`,
  );
  await target.query(`set test.identity = '${row?.identity}'; ${FOLLOW}`);
  return environment;
}
