import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { recordedReleases } from "../src/airflow/releases.ts";
import type { Schema } from "../src/domain/schema.ts";
import { recordedSchema } from "../test/support/recorded-schemas.ts";
import { schemaText } from "./schema-text.ts";

const empty: Schema = { airflow: null, alembic: {}, enums: {}, sequences: {}, tables: {} };

test.for(recordedReleases)("writes the recorded schema of %s as it is in its file", (release) => {
  const file = readFileSync(join(import.meta.dirname, `../src/airflow/schemas/${release}.json`), "utf8");

  expect(schemaText(recordedSchema(release))).toBe(file);
});

test("gives the same text whatever order tables come in", () => {
  const table = { columns: [["id", "integer", "notnull", null]] } as const;
  const one = { ...empty, tables: { a: table, B: table } };
  const other = { ...empty, tables: { B: table, a: table } };

  expect(schemaText(one)).toBe(schemaText(other));
  expect(JSON.parse(schemaText(one))).toEqual(one);
});
