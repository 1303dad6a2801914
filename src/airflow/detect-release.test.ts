import { expect, test } from "vitest";
import { recordedSchema } from "../../test/support/recorded-schemas.ts";
import type { Schema } from "../domain/schema.ts";
import { detectRelease, missingColumns } from "./detect-release.ts";
import { entities } from "./entities/index.ts";
import { recordedReleases, releaseOfHead } from "./releases.ts";

function detect(schema: Schema) {
  return detectRelease({ schema, entities, side: "source", where: "db.example.com/airflow" });
}

function without(schema: Schema, table: string, column: string): Schema {
  const fact = schema.tables[table];
  const columns = (fact?.columns ?? []).filter(([name]) => name !== column);
  return { ...schema, tables: { ...schema.tables, [table]: { columns } } };
}

test.for(recordedReleases)("recognises %s", (release) => {
  expect(detect(recordedSchema(release)).schemas).toContain(release);
});

test("an upgraded database with tables and columns of its own is still its release", () => {
  const schema = recordedSchema("3.3.2");
  const known = { columns: [["id", "integer", "notnull", null]] } as const;

  expect(detect({ ...schema, tables: { ...schema.tables, known_event: known, sla_miss: known } }).release).toBe(
    "3.3.2",
  );
});

test("refuses a database without a head", () => {
  const schema = recordedSchema("2.10.5");

  expect(() => detect({ ...schema, alembic: {} })).toThrow(
    expect.objectContaining({ code: "DATABASE_NOT_INITIALISED" }),
  );
  expect(() => detect({ ...schema, alembic: { alembic_version: [] } })).toThrow(
    expect.objectContaining({ code: "DATABASE_NOT_INITIALISED" }),
  );
});

test("refuses a head that it does not know, and names it", () => {
  const schema = { ...recordedSchema("3.3.2"), alembic: { alembic_version: "feedfeedfeed" } };

  expect(() => detect(schema)).toThrow(expect.objectContaining({ code: "SCHEMA_HEAD_UNKNOWN" }));
  expect(() => detect(schema)).toThrow("feedfeedfeed");
  expect(() => detect(schema)).toThrow("3.3.2");
});

test("refuses several heads at once", () => {
  const schema = { ...recordedSchema("2.10.5"), alembic: { alembic_version: ["5f2621c13b39", "22ed7efa9da2"] } };

  expect(() => detect(schema)).toThrow(expect.objectContaining({ code: "SCHEMA_HALF_MIGRATED" }));
});

test("refuses a database that lacks a column of its head, and names the column", () => {
  const schema = without(recordedSchema("3.3.2"), "dag_run", "run_after");

  expect(() => detect(schema)).toThrow(expect.objectContaining({ code: "SCHEMA_HALF_MIGRATED" }));
  expect(() => detect(schema)).toThrow("dag_run.run_after");
});

test.for(["1.10.15", "2.10.5", "3.2.2", "3.3.2"])("%s without Flask-AppBuilder is still its release", (release) => {
  const schema = recordedSchema(release);
  const tables = Object.fromEntries(Object.entries(schema.tables).filter(([name]) => !name.startsWith("ab_")));

  expect(detect({ ...schema, tables }).schemas).toContain(release);
});

test("names a missing table by itself", () => {
  const schema = recordedSchema("2.10.5");
  const { dag_run: _, ...tables } = schema.tables;
  const row = releaseOfHead("5f2621c13b39");
  if (row === undefined) throw new Error("the head of 2.10.5 is unknown");

  expect(missingColumns({ ...schema, tables }, entities, row)).toEqual(["dag_run"]);
});
