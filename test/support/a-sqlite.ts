import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { plainRows, recordedText } from "./raw-rows.ts";

/** A SQLite file of a test's own, as Airflow would have it. */
export interface TestSqlite extends AsyncDisposable {
  readonly file: string;
  /** `sqlite:////...` */
  readonly url: string;
  /** Open for writing as long as the test lasts, as Airflow would have it. */
  readonly database: DatabaseSync;
}

/** Makes the schema that a genuine Airflow made, and fills it with what a Postgres of that release holds. */
export async function aSqlite(from?: string, release: "2.10.5" | "3.3.2" = "2.10.5"): Promise<TestSqlite> {
  const folder = await mkdtemp(join(tmpdir(), "crosswind-sqlite-"));
  const file = join(folder, "airflow.db");
  const database = new DatabaseSync(file, { enableForeignKeyConstraints: false });
  database.exec(await recordedText(`airflow-${release}-empty.sqlite.sql.gz`));
  database.exec("pragma foreign_keys = off");
  if (from !== undefined) await fillSqlite(database, from);
  return {
    file,
    url: `sqlite:///${file}`,
    database,
    [Symbol.asyncDispose]: async () => {
      database.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Replaces the rows of the database by those of a Postgres. */
export async function fillSqlite(database: DatabaseSync, from: string): Promise<void> {
  database.exec("begin");
  for await (const { table, columns, rows, isFirst } of plainRows(from)) {
    if (isFirst) database.exec(`delete from "${table}"`);
    const names = columns.map((column) => `"${column}"`).join(", ");
    const insert = database.prepare(`insert into "${table}" (${names}) values (${columns.map(() => "?").join(", ")})`);
    for (const row of rows) insert.run(...row);
  }
  database.exec("commit");
}
