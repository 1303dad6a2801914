import { expect, test } from "vitest";
import { recordedSchemas } from "../../test/support/recorded-schemas.ts";
import type { Entity } from "../domain/entity.ts";
import type { Schema } from "../domain/schema.ts";
import { always, defineEntity, since } from "./define-entity.ts";
import { entities } from "./entities/index.ts";
import { breachesOfLaw } from "./law.ts";
import { notCopied, whyNotCopied } from "./not-copied.ts";

const schemas = recordedSchemas();

test("somebody has decided about every column of every recorded release", () => {
  expect(breachesOfLaw({ entities, schemas })).toEqual([]);
});

test("every table that is not copied exists in a recorded release, or is left over from one", () => {
  const names = (row: (typeof notCopied)[number]) =>
    [...schemas].some(([release, schema]) =>
      Object.keys(schema.tables).some((table) => whyNotCopied(table, release) === row),
    );

  const unknown = notCopied.filter((row) => row.class !== "left-over" && !names(row));

  expect(unknown).toEqual([]);
});

test("tables that a genuine upgrade puts aside are known by the beginning of their names", () => {
  expect(whyNotCopied("_airflow_moved__2_2__dangling__task_instance", "2.10.5")?.class).toBe("left-over");
  expect(whyNotCopied("my_own_table", "2.10.5")).toBeUndefined();
  expect(whyNotCopied("sla_miss", "2.10.5")).toBeUndefined();
  expect(whyNotCopied("sla_miss", "3.3.2")?.class).toBe("left-over");
});

/** Two releases of a small Airflow: the second one calls `slots` `size`, and refuses NULL there. */
const small = new Map<string, Schema>([
  [
    "2.0",
    schemaOf([
      ["id", true],
      ["name", true],
      ["slots", false],
    ]),
  ],
  [
    "3.0",
    schemaOf([
      ["id", true],
      ["name", true],
      ["size", true],
    ]),
  ],
]);

function schemaOf(columns: readonly (readonly [string, boolean])[]): Schema {
  const facts = columns.map(
    ([name, refusesNull]) => [name, "text", refusesNull ? "notnull" : "null", name === "id" ? "1" : null] as const,
  );
  return { airflow: null, alembic: {}, enums: {}, sequences: {}, tables: { pool: { columns: facts, pk: ["id"] } } };
}

const pool = defineEntity({
  id: "pool",
  title: "Pools",
  tables: "pool",
  key: ["name"],
  after: [],
  scope: { of: "environment" },
  load: "merge",
  fields: {
    name: always(),
    size: [
      { in: "<3.0", column: "slots" },
      { in: ">=3.0", column: true, write: "coalesce(c.size, 0)" },
    ],
  },
  unset: [{ column: "id", reason: "not needed" }],
});

function breaches(changes: Partial<Entity>, before: readonly Entity[] = []): readonly string[] {
  return breachesOfLaw({ entities: [...before, { ...pool, ...changes }], schemas: small, notCopied: () => undefined });
}

test("a list of entities that decides about everything has no breach", () => {
  expect(breaches({})).toEqual([]);
});

test("finds a column that nobody declared", () => {
  expect(breaches({ unset: [] })).toEqual(["2.0: pool.id is decided by nobody", "3.0: pool.id is decided by nobody"]);
});

test("finds a table that nobody declared", () => {
  expect(breaches({ tables: [{ in: "<3.0", table: "pool" }], lost: "gone" })).toContain(
    "3.0: table pool is decided by nobody",
  );
});

test("finds a table that is both copied and not", () => {
  const found = breachesOfLaw({
    entities: [pool],
    schemas: small,
    notCopied: (table) => ({ table, class: "derived", reason: "made again" }),
  });

  expect(found).toContain("2.0: table pool is decided by more than one");
});

test("finds a column that is declared and does not exist", () => {
  const fields = { ...pool.fields, description: { rows: always() } };

  expect(breaches({ fields })).toEqual([
    "2.0: pool.description does not exist",
    "3.0: pool.description does not exist",
  ]);
});

test("finds a column that is both written and unset", () => {
  const unset = [...pool.unset, { column: "name", reason: "twice" }];

  expect(breaches({ unset })).toContain("2.0: pool.name is decided more than once");
});

test("finds a column that is left unset and that no release has", () => {
  const unset = [...pool.unset, { column: "colour", reason: "" }];

  expect(breaches({ unset })).toEqual(["pool leaves colour unset, which no release has"]);
});

test("finds a NULL on its way to a column that refuses it", () => {
  const fields = {
    ...pool.fields,
    size: {
      rows: [
        { in: "<3.0", column: "slots" },
        { in: ">=3.0", column: true },
      ] as const,
    },
  };

  expect(breaches({ fields })).toEqual(["2.0 to 3.0: pool.size refuses NULL and may get it"]);
});

test("finds a column that refuses NULL and is written by nobody", () => {
  const { size: _, ...fields } = pool.fields;
  const unset = [
    ...pool.unset,
    { column: "slots", in: "<3.0", reason: "" },
    { column: "size", in: ">=3.0", reason: "" },
  ];

  expect(breaches({ fields, unset })).toContain("3.0 to 3.0: pool.size refuses NULL and may get it");
});

test("finds a shape that nobody converts", () => {
  const fields = {
    ...pool.fields,
    name: {
      rows: [
        { in: "<3.0", column: true, shape: "bytes" },
        { in: ">=3.0", column: true, shape: "json" },
      ] as const,
    },
  };

  expect(breaches({ fields })).toEqual([
    "3.0 to 2.0: pool: no conversion for name",
    "2.0 to 3.0: pool: no conversion for name",
  ]);
});

test("finds a field, a row or an entity without a sentence for what is lost", () => {
  const fields = { name: { rows: since("3.0") }, size: pool.fields["size"] ?? { rows: [] } };
  const unset = [...pool.unset, { column: "name", in: "<3.0", reason: "" }];

  expect(breaches({ fields, unset })).toContain("pool.name does not say why it is lost");
  expect(breaches({ tables: [{ in: "<3.0", table: "pool" }] })).toContain("pool does not say why it is lost");
});

test("a table that only some databases have is no breach where it is missing, and must be said to get lost", () => {
  const newer = new Map([...small, ["4.0", { ...schemaOf([]), tables: {} }]]);
  const optional = { ...pool, tables: [{ table: "pool", isOptional: true as const }] };
  const law = (entity: Entity) => breachesOfLaw({ entities: [entity], schemas: newer, notCopied: () => undefined });

  expect(law({ ...optional, lost: "not there" })).toEqual([]);
  expect(law(optional)).toEqual(["pool does not say why it is lost"]);
  expect(law({ ...pool, lost: "not there" })).toContain("4.0: pool is kept in pool, which does not exist");
});

test("rows may refer to rows of their own kind", () => {
  const fields = { ...pool.fields, name: { rows: always(), references: "pool" } };

  expect(breaches({ fields, serial: { field: "name", rule: "mapped" } })).toEqual([]);
});

test("finds ranges that overlap or leave a release out", () => {
  const name = {
    rows: [
      { in: "<3.0", column: true },
      { in: "<2.5", column: true },
    ] as const,
    lost: "gone",
  };

  expect(breaches({ fields: { ...pool.fields, name } })).toEqual(
    expect.arrayContaining(["2.0: 2 rows of pool.name say where it is", "3.0: 0 rows of pool.name say where it is"]),
  );
});

test("finds what is named and is not there", () => {
  expect(breaches({ key: ["colour"] })).toContain("pool has no field colour, which it names");
  expect(breaches({ parts: [{ field: "colours", entity: "colour" }] })).toContain(
    "pool has no field colours, which it names",
  );
  expect(breaches({ after: ["team"] })).toContain("pool needs team, which does not come before it");
  expect(breaches({ scope: { of: "dag", dag: "dag_id" } })).toContain("pool has no field dag_id, which it names");
});

test("finds a reference to an entity without a serial id, and one that is not said to come before", () => {
  const fields = { ...pool.fields, name: { rows: always(), references: "team" } };
  const team = { ...pool, id: "team", tables: [{ in: "<1.0", table: "team" }], unset: [], lost: "gone" };

  expect(breaches({ fields }, [team])).toEqual([
    "pool refers to team, which has no serial id",
    "pool refers to team and is not after it",
  ]);
});

test("finds a table whose rows nothing identifies", () => {
  const fields = { ...pool.fields, name: { rows: since("3.0", "'x'"), lost: "gone" } };
  const unset = [...pool.unset, { column: "name", in: "<3.0", reason: "" }];

  expect(breaches({ fields, unset })).toContain("2.0: nothing that pool writes identifies a row of pool");
});
