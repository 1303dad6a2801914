import { expect, test } from "vitest";
import { always, defineEntity, since } from "../../airflow/define-entity.ts";
import type { Entity } from "../../domain/entity.ts";
import type { ColumnFact, Schema } from "../../domain/schema.ts";
import { identifier, NO_ID_RULES, type TranslateOptions, translate, withoutLength } from "./translate.ts";

function aSchema(table: string, columns: Readonly<Record<string, string>>): Schema {
  const facts = Object.entries(columns).map(([name, type]): ColumnFact => [name, type, "null", null]);
  return { airflow: null, alembic: {}, enums: {}, sequences: {}, tables: { [table]: { columns: facts, pk: ["id"] } } };
}

const OLD = {
  id: "integer",
  name: "character varying(50)",
  slots: "integer",
  conf: "bytea",
  extra: "json",
  run: "integer",
};
const NEW = { ...OLD, size: "bigint", conf: "jsonb", extra: "jsonb", team: "character varying(9)" };

function options(changes: Partial<TranslateOptions> = {}): TranslateOptions {
  return {
    source: { release: "2.0", schema: aSchema("old_pool", OLD) },
    target: { release: "3.0", schema: aSchema("pool", NEW) },
    ids: NO_ID_RULES,
    optimistic: true,
    codecInput: (codec) => (codec === "secret" ? "text" : "bytea"),
    ...changes,
  };
}

function anEntity(changes: Partial<Parameters<typeof defineEntity>[0]> = {}): Entity {
  return defineEntity({
    id: "pool",
    title: "Pools",
    tables: [
      { in: ">=2.0 <3.0", table: "old_pool" },
      { in: ">=3.0", table: "pool" },
    ],
    key: ["name"],
    after: [],
    scope: { of: "environment" },
    load: "merge",
    fields: { name: always() },
    ...changes,
  });
}

function expressionOf(entity: Entity, changes: Partial<TranslateOptions> = {}) {
  const columns = translate(entity, options(changes))?.columns ?? [];
  return columns.map(({ field: _field, type: _type, ...rest }) => rest);
}

test("reads the source's column and writes the target's, cast to its type without a length", () => {
  const fields = {
    name: always(),
    size: [
      { in: "<3.0", column: "slots" },
      { in: ">=3.0", column: true },
    ] as const,
  };

  const translation = translate(anEntity({ fields }), options());

  expect(translation?.select()).toBe(
    'select (c."name")::character varying as "name", (c."size")::bigint as "size" from (select s."name" as "name", s."slots" as "size" from "old_pool" s) c',
  );
  expect(translation?.sourceTable).toBe("old_pool");
  expect(translation?.targetTable).toBe("pool");
});

test("puts predicates where the row is read and where it is canonical", () => {
  const select = translate(anEntity(), options())?.select({ source: "s.id > 1", canonical: "c.name <> ''" });

  expect(select).toMatch(/from "old_pool" s where s\.id > 1\) c where c\.name <> ''$/);
});

test("joins what the source's table row says", () => {
  const entity = anEntity({
    tables: [
      { in: "<3.0", table: "old_pool", from: "old_pool s join r on true" },
      { in: ">=3.0", table: "pool" },
    ],
  });

  expect(translate(entity, options())?.canonical()).toBe('select s."name" as "name" from old_pool s join r on true');
});

test("there is no translation where one of the two releases has no place for it", () => {
  const entity = anEntity({ tables: [{ in: ">=3.0", table: "pool" }] });

  expect(translate(entity, options())).toBeUndefined();
  expect(translate(entity, { ...options(), source: options().target, target: options().source })).toBeUndefined();
});

test("there is no translation where one of the two databases was probed not to have the table", () => {
  const { source, target } = options();
  const without = { ...target, schema: { ...target.schema, tables: {} } };

  expect(translate(anEntity(), { ...options(), target: without })).toBeUndefined();
  expect(translate(anEntity(), { ...options(), source: { ...source, schema: without.schema } })).toBeUndefined();
});

test("a field that the source does not have is what its row says, else NULL of the target's type", () => {
  const fields = { team: { rows: since("3.0"), lost: "" }, size: { rows: since("3.0", "7"), lost: "" } };

  expect(translate(anEntity({ fields }), options())?.canonical()).toBe(
    'select null::character varying as "team", 7 as "size" from "old_pool" s',
  );
});

test("a field that the target does not have is read and not written", () => {
  const fields = { name: always(), is_odd: [{ read: "s.id % 2 = 1" }] };

  const translation = translate(anEntity({ fields }), options());

  expect(translation?.columns.map((column) => column.column)).toEqual(["name"]);
  expect(translation?.canonical()).toContain('s.id % 2 = 1 as "is_odd"');
});

test("a column that the target was probed not to have is not written", () => {
  const fields = { name: always(), ghost: always() };

  expect(translate(anEntity({ fields }), options())?.columns.map((column) => column.column)).toEqual(["name"]);
});

test("a kept id and references to it are shifted by the recorded offset", () => {
  const entity = anEntity({
    serial: { field: "id", rule: "kept" },
    fields: { id: always(), run: { rows: always(), references: "dag_run" } },
  });

  const offsets = { pool: 100, dag_run: 5 };

  expect(expressionOf(entity, { ids: { offsets, maps: {} } })).toEqual([
    { column: "id", expression: '(c."id" + 100)' },
    { column: "run", expression: '(c."run" + 5)' },
  ]);
  expect(expressionOf(entity)).toEqual([
    { column: "id", expression: 'c."id"' },
    { column: "run", expression: 'c."run"' },
  ]);
});

test("a mapped id is the target's to give, and references follow the map", () => {
  const entity = anEntity({
    serial: { field: "id", rule: "mapped" },
    fields: { id: always(), name: always(), run: { rows: always(), references: "template" } },
  });
  const expression = (pairs: readonly (readonly [number, number])[]) =>
    expressionOf(entity, { ids: { offsets: {}, maps: { template: pairs } } });

  expect(
    expression([
      [1, 4],
      [2, 3],
    ]),
  ).toEqual([
    { column: "name", expression: 'c."name"' },
    {
      column: "run",
      expression: '(select m.target from (values (1,4),(2,3)) m(source, target) where m.source = c."run")',
    },
  ]);
  expect(expression([])).toContainEqual({ column: "run", expression: "null::integer" });
});

test("an id that is kept as text is followed where it is a number, and passed on where it is none", () => {
  const entity = anEntity({ fields: { name: { rows: always(), references: "user", idAsText: true } } });
  const expression = (maps: TranslateOptions["ids"]["maps"]) =>
    expressionOf(entity, { ids: { offsets: {}, maps } })[0]?.expression;

  const isNumber = `(c."name") ~ '^[0-9]{1,9}$'`;
  const followed = 'select m.target from (values (1,4)) m(source, target) where m.source = (c."name")::integer';

  expect(expression({ user: [[1, 4]] })).toBe(`case when ${isNumber} then ((${followed}))::text else c."name" end`);
  expect(expression({ user: [] })).toBe(`case when ${isNumber} then (null::integer)::text else c."name" end`);
  expect(expression({})).toBe('c."name"');
});

test("a mapped id is asked from the sequence that Airflow itself asks, where the target has it", () => {
  const entity = anEntity({
    serial: { field: "id", rule: "mapped", sequence: "pool_id_seq" },
    fields: { id: always(), name: always() },
  });
  const { target } = options();
  const schema = { ...target.schema, sequences: { pool_id_seq: null } };

  const translation = translate(entity, options({ target: { ...target, schema } }));

  expect(translation).toMatchObject({
    onTarget: [{ column: "id", expression: `nextval('"pool_id_seq"')` }],
    sequence: "pool_id_seq",
  });
  expect(translate(entity, options())).toMatchObject({ onTarget: [] });
  expect(translate(entity, options())?.sequence).toBeUndefined();
});

test("a hidden field is passed on as it is, and marked", () => {
  const entity = anEntity({ fields: { name: { rows: always(), isHidden: true } } });

  expect(expressionOf(entity)).toEqual([{ column: "name", expression: 'c."name"', isHidden: true }]);
});

const converted = (lane: "sql" | "sql-or-codec" | "codec") =>
  anEntity({
    fields: {
      conf: {
        rows: [
          { in: "<3.0", column: true, shape: "pickle" },
          { in: ">=3.0", column: true, shape: "json" },
        ],
        convert: [{ from: "pickle", to: "json", lane, sql: "f($, $)", codec: "unpickle", before: "nullif($, '')" }],
      },
    },
  });
const viaSql = { column: "conf", expression: 'f(c."conf", c."conf")' };
const viaCodec = { column: "conf", expression: `nullif(c."conf", '')`, codec: "unpickle", codecInput: "bytea" };

test.for([
  ["sql", true, viaSql],
  ["sql", false, viaSql],
  ["sql-or-codec", true, viaSql],
  ["sql-or-codec", false, viaCodec],
  ["codec", true, viaCodec],
  ["codec", false, viaCodec],
] as const)("the lane %s, optimistic %s", ([lane, optimistic, expected]) => {
  expect(expressionOf(converted(lane), { optimistic })).toEqual([expected]);
});

test("a codec's input is cast to the codec's type, not the column's", () => {
  expect(translate(converted("codec"), options())?.select()).toContain(`(nullif(c."conf", ''))::bytea as "conf"`);
});

test("equal shapes are passed on as they are", () => {
  const { source } = options();

  expect(expressionOf(converted("codec"), { target: source })).toEqual([{ column: "conf", expression: 'c."conf"' }]);
});

test("a conversion that nobody declared is a bug", () => {
  const back = { source: options().target, target: options().source };

  expect(() => expressionOf(converted("codec"), back)).toThrow("no conversion from json to pickle");
});

test("json on its way to jsonb has a codec for what jsonb refuses; jsonb to json has no need of one", () => {
  const entity = anEntity({ fields: { extra: always() } });
  const swapped = { source: options().target, target: options().source };

  expect(expressionOf(entity)).toEqual([{ column: "extra", expression: 'c."extra"::jsonb' }]);
  expect(expressionOf(entity, { optimistic: false })).toMatchObject([{ codec: "xcom-2-to-json", codecInput: "bytea" }]);
  expect(expressionOf(entity, { ...swapped, optimistic: false })).toEqual([
    { column: "extra", expression: 'c."extra"' },
  ]);
});

test("a secret goes through its codec whatever the releases", () => {
  const entity = anEntity({ fields: { name: { rows: always(), codec: "secret" } } });
  const { target } = options();

  const expected = [{ column: "name", expression: 'c."name"', codec: "secret", codecInput: "text" }];

  expect(expressionOf(entity)).toEqual(expected);
  expect(expressionOf(entity, { source: target })).toEqual(expected);
});

test("what only the target can compute is left to it", () => {
  const fields = { name: always(), team: { rows: since("3.0"), onTarget: "(select 'blue')", lost: "" } };

  const translation = translate(anEntity({ fields }), options());

  expect(translation?.columns.map((column) => column.column)).toEqual(["name"]);
  expect(translation?.onTarget).toEqual([{ column: "team", expression: "(select 'blue')" }]);
});

test("names are quoted", () => {
  expect(identifier('a"b')).toBe('"a""b"');
});

test.for([
  ["character varying(250)", "character varying"],
  ["numeric(10,2)", "numeric"],
  ["timestamp with time zone", "timestamp with time zone"],
  ["text", "text"],
] as const)("%s without its length is %s", ([type, expected]) => {
  expect(withoutLength(type)).toBe(expected);
});
