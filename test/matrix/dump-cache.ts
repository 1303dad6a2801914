import { mkdir, rename, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { loadFixture, type Step, stepsOf } from "../../src/databases/postgres/load-fixture.ts";
import { emptyDatabase, query, withDatabase } from "../airflow/support/databases.ts";
import { run } from "../airflow/support/processes.ts";

/** Where the dump of a database would be: beside the installed Airflows, by the server's major version. */
async function fileOf(serverUrl: string, name: string): Promise<string> {
  const cache = process.env["CROSSWIND_AIRFLOW_CACHE"] ?? join(homedir(), ".cache", "airflow-crosswind");
  const [row] = await query<{ server_version_num: string }>(serverUrl, "show server_version_num");
  const major = Math.floor(Number(row?.server_version_num ?? 0) / 10_000);
  await mkdir(join(cache, "matrix"), { recursive: true });
  return join(cache, "matrix", `${name}-pg${major}.sql.gz`);
}

/** Makes the database from an earlier dump of one called `name`; false where there is none. */
export async function restoreDump(serverUrl: string, name: string, draft: string): Promise<boolean> {
  const file = await fileOf(serverUrl, name);
  if (!(await isThere(file))) return false;
  const database = await emptyDatabase(serverUrl, draft);
  await loadFixture(database.url, file);
  return true;
}

/**
 * Keeps a dump for servers that do not have the database yet. Where there is no `pg_dump`, or one that is older than the server, nothing is
 * kept: the database itself stays on its server in any case.
 */
export async function keepDump(serverUrl: string, name: string, draft: string): Promise<void> {
  const plain = ["--no-owner", "--no-privileges", "--no-comments"];
  const dump = await run("pg_dump", [...plain, withDatabase(serverUrl, draft)]).catch(() => undefined);
  if (dump === undefined) return;
  const file = await fileOf(serverUrl, name);
  await writeFile(`${file}.${process.pid}`, gzipSync([...stepsOf(dump)].map(withoutCommands).join("")));
  await rename(`${file}.${process.pid}`, file);
}

/** Without comments and psql's own commands, which only psql knows; the rows as they are. */
function withoutCommands(step: Step): string {
  return step.kind === "copy" ? `${step.sql};\n${step.rows}\\.\n` : step.sql.replace(/^(--.*|\\[a-z].*|)\n/gm, "");
}

async function isThere(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
