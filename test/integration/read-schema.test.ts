import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { detectRelease } from "../../src/airflow/detect-release.ts";
import { entities } from "../../src/airflow/entities/index.ts";
import { loadFixture } from "../../src/databases/postgres/load-fixture.ts";
import { openPostgres } from "../../src/databases/postgres/postgres.ts";
import { Secret } from "../../src/domain/secret.ts";
import { readSchema } from "../../src/engine/probe/read-schema.ts";
import type { Session } from "../../src/ports/database.ts";
import { schemaText } from "../../tools/schema-text.ts";
import { freshDatabase } from "../support/database.ts";
import { recordedSchema } from "../support/recorded-schemas.ts";
import { schemaDdl } from "../support/schema-ddl.ts";

async function aDatabase(fill: (url: string) => Promise<void> = async () => {}): Promise<Session> {
  const resources = new AsyncDisposableStack();
  onTestFinished(() => resources.disposeAsync());
  const database = resources.use(await freshDatabase());
  await fill(database.url);
  const postgres = resources.use(openPostgres({ url: new Secret(database.url), name: "source" }));
  return resources.use(await postgres.session());
}

const folder = join(import.meta.dirname, "..");

test.for(["2.10.5", "3.3.2"])(
  "reads from a database that a genuine Airflow %s made what its file holds",
  async (release) => {
    const fixture = join(folder, `fixtures/airflow-${release}-empty.sql.gz`);
    const session = await aDatabase((url) => loadFixture(url, fixture));

    const schema = await readSchema(session, release);

    expect(schemaText(schema)).toBe(readFileSync(join(folder, `../src/airflow/schemas/${release}.json`), "utf8"));
    const row = detectRelease({ schema, entities, side: "source", where: "test" });
    expect(row.schemas).toContain(release);
  },
);

test.for(["1.10.15", "3.1.8"])("reads the columns of %s as they are recorded", async (release) => {
  const session = await aDatabase();
  const recorded = recordedSchema(release);
  await session.query(schemaDdl(recorded));

  const { tables } = await readSchema(session, release);

  expect(Object.keys(tables).sort()).toEqual(Object.keys(recorded.tables).sort());
  for (const [name, table] of Object.entries(recorded.tables)) {
    expect(tables[name]?.columns).toEqual(table.columns);
  }
});

test("reads constraints with their actions, checks, indexes, enums and the owners of sequences", async () => {
  const session = await aDatabase();
  await session.query(`
    create type mood as enum ('sad', 'glad');
    create table parent (id serial primary key, a int, b int, unique (b, a));
    create table child (
      parent_id int references parent (id) on delete cascade on update set null, m mood default 'sad',
      constraint positive check (parent_id > 0));
    create unique index child_m on child (m) where parent_id is null;
    create sequence free;`);

  const schema = await readSchema(session);

  expect(schema).toMatchObject({
    airflow: null,
    alembic: {},
    enums: { mood: ["sad", "glad"] },
    sequences: { free: null, parent_id_seq: "parent.id" },
    tables: {
      parent: { pk: ["id"], pk_name: "parent_pkey", unique: { parent_b_a_key: ["b", "a"] } },
      child: {
        columns: [
          ["parent_id", "integer", "null", null],
          ["m", "mood", "null", "'sad'::mood"],
        ],
        fk: {
          child_parent_id_fkey: {
            cols: ["parent_id"],
            ref: "parent",
            refcols: ["id"],
            on_delete: "CASCADE",
            on_update: "SET NULL",
          },
        },
        check: { positive: "CHECK ((parent_id > 0))" },
        index: { child_m: "UNIQUE btree (m) WHERE (parent_id IS NULL)" },
      },
    },
  });
  expect(schema.tables["child"]).not.toHaveProperty("pk");
});

test("reads one head as a text, several as a list and none as an empty list", async () => {
  const session = await aDatabase();
  await session.query(`
    create table alembic_version (version_num varchar(32));
    create table alembic_version_fab (version_num varchar(32));
    create table alembic_version_other (version_num varchar(32));
    create table not_alembic_version (version_num varchar(32));
    insert into alembic_version values ('one');
    insert into alembic_version_fab values ('two'), ('one');`);

  const { alembic } = await readSchema(session);

  expect(alembic).toEqual({ alembic_version: "one", alembic_version_fab: ["one", "two"], alembic_version_other: [] });
});

test("reads the public schema only", async () => {
  const session = await aDatabase();
  await session.query("create schema crosswind; create table crosswind.run (id int); create table run (number int)");

  const { tables } = await readSchema(session);

  expect(Object.keys(tables)).toEqual(["run"]);
  expect(tables["run"]?.columns).toEqual([["number", "integer", "null", null]]);
});
