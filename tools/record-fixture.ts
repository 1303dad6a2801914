/**
 * Records the databases in test/fixtures/ from genuine Airflows.
 *
 *     node tools/record-fixture.ts postgresql://postgres@localhost:5432/postgres
 *
 * Needs Python, a PostgreSQL server whose user may create databases, and pg_dump. Takes about two minutes.
 */
import { readFile, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { type Step, stepsOf } from "../src/databases/postgres/load-fixture.ts";
import { freshDatabase, query } from "../test/airflow/support/databases.ts";
import { ensureAirflow } from "../test/airflow/support/install.ts";
import { fixtureFolder } from "../test/airflow/support/paths.ts";
import { run } from "../test/airflow/support/processes.ts";
import { runSource } from "../test/airflow/support/source.ts";

const neutralHost = "worker-1.example.com";
const serverUrl = process.argv[2];
if (serverUrl === undefined) {
  throw new Error("Give the URL of a PostgreSQL server, such as postgresql://postgres@localhost:5432/postgres.");
}
const fernetKey = (await readFile(join(fixtureFolder, "fernet.key"), "utf8")).trim();

for (const release of ["2.10.5", "3.3.2"]) {
  const install = await ensureAirflow(release);
  const name = `crosswind_record_${release.replaceAll(".", "_")}`;
  await using database = await freshDatabase({ install, serverUrl, name, fernetKey });
  await record(database.url, `airflow-${release}-empty.sql.gz`);
}

await using source = await runSource({ serverUrl, databaseName: "crosswind_record_source", fernetKey });
for (const table of ["task_instance", "task_instance_history", "job"]) {
  await query(source.databaseUrl, `update ${table} set hostname = $2 where hostname = $1`, [hostname(), neutralHost]);
}
await query(source.databaseUrl, "update log set extra = replace(extra, $1, $2)", [
  `"host_name": "${hostname()}"`,
  `"host_name": "${neutralHost}"`,
]);
await record(source.databaseUrl, "airflow-2.10.5.sql.gz", [
  // What belongs to the recording machine and not to the environment.
  [source.home, "/opt/airflow"],
  [dirname(source.install.airflow), "/usr/local/bin"],
]);

async function record(
  databaseUrl: string,
  file: string,
  replacements: readonly (readonly [string, string])[] = [],
): Promise<void> {
  const dump = await run("pg_dump", ["--no-owner", "--no-privileges", "--no-comments", databaseUrl]);
  const plain = [...stepsOf(dump)].map(plainSql).join("");
  const neutral = replacements.reduce((text, [from, to]) => text.replaceAll(from, to), plain);
  const packed = gzipSync(neutral, { level: 9 });
  await writeFile(join(fixtureFolder, file), packed);
  console.log(`${file}: ${packed.length} bytes, ${neutral.length} unpacked`);
}

/** Without comments and psql's own commands (`\\restrict` and the like); the rows as they are. */
function plainSql(step: Step): string {
  return step.kind === "copy" ? `${step.sql};\n${step.rows}\\.\n` : step.sql.replace(/^(--.*|\\[a-z].*|)\n/gm, "");
}
