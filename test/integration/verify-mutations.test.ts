import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encryptToken, parseFernetKeys } from "../../src/airflow/codecs/index.ts";
import { entities } from "../../src/airflow/entities/index.ts";
import type { Entity } from "../../src/domain/entity.ts";
import { type Lanes, lanesOf } from "../../src/engine/copy/copy-context.ts";
import { identifier, NO_ID_RULES, type OutputColumn, type Translation } from "../../src/engine/translate/translate.ts";
import type { RowDifference } from "../../src/engine/verify/report.ts";
import type { Row, Session } from "../../src/ports/database.ts";
import { type Probed, verifyAll } from "../support/a-copy.ts";
import { recordedSchema } from "../support/recorded-schemas.ts";
import { COPIES, type Copy, doneCopy, inDatabase, targetKeys, verifyDamaged } from "./verify-copies.ts";

const resources = new AsyncDisposableStack();
const pairs = new Map<string, Probed>();

beforeAll(async () => {
  for (const copy of COPIES) pairs.set(copy.name, await doneCopy(copy, resources));
});

afterAll(() => resources.disposeAsync());

function pairOf({ name }: Copy): Probed {
  const pair = pairs.get(name);
  if (pair === undefined) throw new Error(`${name} was not copied`);
  return pair;
}

function lanesBetween({ releases }: Copy, entity: Entity): Lanes | undefined {
  const [source, target] = releases.map((release) => ({ release, schema: recordedSchema(release) }));
  return source && target && lanesOf({ sourceSide: source, targetSide: target }, entity, NO_ID_RULES);
}

/** Entities that a pair of releases moves: every one of them is tested column by column, and the source must have rows of it. */
function movedBy(copy: Copy): readonly Entity[] {
  return entities.filter((entity) => lanesBetween(copy, entity) !== undefined);
}

function translationOf(copy: Copy, entity: Entity): Translation {
  const lanes = lanesBetween(copy, entity);
  if (lanes === undefined) throw new Error(`${copy.name} does not move ${entity.id}`);
  return lanes.optimistic;
}

/** The columns that verification promises to compare. */
function promised({ entity, columns }: Translation): readonly OutputColumn[] {
  return columns.filter((column) => typeof entity.fields[column.field]?.compare !== "object");
}

function isKey({ key, columns, targetKey }: Translation, column: OutputColumn): boolean {
  const natural = columns.filter((each) => key.includes(each.field));
  return natural.length === key.length ? natural.includes(column) : targetKey.includes(column.column);
}

/** The smallest change of a value, by type; NULL becomes something that is nearly nothing. */
const CHANGES: Readonly<Record<string, (column: string) => string>> = {
  "character varying": (column) =>
    `case when ${column} is null then '' when right(${column}, 1) = 'x' then left(${column}, -1) || 'X' else left(${column}, -1) || 'x' end`,
  text: (column) => `coalesce(${column} || ' ', '')`,
  integer: (column) => `coalesce(${column} + 1000, 0)`,
  boolean: (column) => `coalesce(not ${column}, false)`,
  "timestamp with time zone": (column) => `coalesce(${column} + interval '1 microsecond', 'epoch')`,
  "timestamp without time zone": (column) => `coalesce(${column} + interval '1 microsecond', 'epoch')`,
  "double precision": (column) => `coalesce(nullif(${column} * (1 + 2.3e-16::float8), ${column}), 5e-324)`,
  json: (column) => `case when ${column} is null then 'null' else (' ' || ${column}::text)::json end`,
  jsonb: (column) => `case when ${column} is null then 'null' else jsonb_build_array(${column}) end`,
  bytea: (column) => `coalesce(${column} || '\\x00', '')`,
  uuid: () => "gen_random_uuid()",
};

interface Change {
  readonly column: OutputColumn;
  readonly row: Row;
  readonly value: string | null;
}

function changeOf(column: OutputColumn): string {
  const name = identifier(column.column);
  if (column.codec === "secret") return `'${encryptToken(parseFernetKeys(targetKeys), Buffer.from("another secret"))}'`;
  const change = CHANGES[column.type];
  if (change === undefined) throw new Error(`no change for ${column.type}`);
  return change(name);
}

/** Rows of a target's table that a copy wrote, with their place. */
async function copiedRows(copy: Copy, translation: Translation, target: Session): Promise<readonly Row[]> {
  const { entity, targetTable } = translation;
  const rows = await target.query(`select ctid::text as "at", * from ${identifier(targetTable)} order by ctid`);
  if (entity.serial?.rule === "kept") {
    const [rule] = await target.query<{ low: string; high: string }>(
      "select low, high from crosswind.id_rule where entity = $1",
      [entity.id],
    );
    return rows.filter((row) => Number(row["id"]) >= Number(rule?.low) && Number(row["id"]) <= Number(rule?.high));
  }
  if (entity.load === "bulk") return rows;
  const theirs = await inDatabase(pairOf(copy).source, (source) => source.query(translation.select()));
  const keyOf = (row: Row) => JSON.stringify(translation.key.map((key) => row[key]));
  const keys = new Set(theirs.map(keyOf));
  const hasOtherIds = translation.key.some((key) => entity.fields[key]?.references !== undefined);
  if (hasOtherIds) return rows;
  // Of two log templates that say the same, one may change: what refers to it is compared where it refers.
  const here = Map.groupBy(rows, keyOf);
  return rows.filter((row) => keys.has(keyOf(row)) && here.get(keyOf(row))?.length === 1);
}

/** Changes one column in each of as many rows as there are columns left. */
async function changeColumns(
  copy: Copy,
  { translation, columns }: { readonly translation: Translation; readonly columns: readonly OutputColumn[] },
  target: Session,
): Promise<readonly Change[]> {
  const rows = await copiedRows(copy, translation, target);
  expect(rows.length, `rows of ${translation.entity.id}`).toBeGreaterThan(0);
  const changes: Change[] = [];
  for (const [index, column] of columns.slice(0, rows.length).entries()) {
    const row = rows[index] ?? {};
    const name = identifier(column.column);
    const [changed] = await target.query<{ value: string | null }>(
      `update ${identifier(translation.targetTable)} set ${name} = ${changeOf(column)} where ctid = $1::tid
       returning ${name}::text as value`,
      [row["at"]],
    );
    changes.push({ column, row, value: changed?.value ?? null });
  }
  return changes;
}

/** What a changed row is called in the report; undefined where the name is not in the row itself. */
function labelOf(translation: Translation, row: Row): string | undefined {
  const names = (translation.entity.label ?? translation.key).map(
    (field) => translation.columns.find((column) => column.field === field)?.column,
  );
  if (names.includes(undefined)) return undefined;
  const parts = names.map((name) => row[name ?? ""] ?? "");
  // A date as the driver gives it is not the server's text.
  const isText = parts.every((part) => typeof part === "string" || typeof part === "number");
  return isText ? parts.join(" · ") : undefined;
}

/** A row that loses its key or what it hangs on is no longer that row: it is missing. */
const HANGS_ON: readonly string[] = [
  "dag_id",
  "run_id",
  "ti_id",
  "ti_history_id",
  "dag_run_id",
  "event_id",
  "backfill_id",
];
/** What is read by a flag is read otherwise when the flag changes. */
const FLAGS: Readonly<Record<string, string>> = { is_encrypted: "password val", is_extra_encrypted: "extra" };

function isFound(translation: Translation, { column, row, value }: Change, difference: RowDifference): boolean {
  const label = labelOf(translation, row);
  if (label !== undefined && label !== difference.label) return false;
  if (isKey(translation, column)) return difference.kind === "missing";
  if (difference.kind === "missing") return HANGS_ON.includes(column.column);
  const found = difference.columns.find((each) => each.column === column.column);
  const others = difference.columns.filter((each) => each !== found);
  const isValueTold =
    column.codec === "secret" || column.isHidden === true
      ? found?.target?.startsWith("digest ") === true
      : column.type === "double precision"
        ? Number(found?.target) === Number(value)
        : found?.target === value;
  return isValueTold && others.every((each) => FLAGS[column.column]?.includes(each.column));
}

describe.for(COPIES)("after a copy from $name", (copy) => {
  test("nothing differs", async () => {
    const report = await verifyAll(pairOf(copy));

    expect(report.differences).toEqual([]);
    const rows = (id: string) => report.entities.find((each) => each.entity === id)?.equal;
    expect(
      movedBy(copy)
        .filter(({ id }) => !rows(id))
        .map(({ id }) => id),
    ).toEqual([]);
    expect(report.entities.filter((each) => each.equal !== each.targetRows)).toEqual([]);
  });

  test.for(movedBy(copy))("every compared column of $id is told when it changes", async (entity) => {
    const translation = translationOf(copy, entity);
    let columns = promised(translation).filter((column) => column.field !== mappedSerial(translation));
    expect(columns.length).toBeGreaterThan(0);

    while (columns.length > 0) {
      const { report, damaged } = await verifyDamaged(
        pairOf(copy),
        (target) => changeColumns(copy, { translation, columns }, target),
        { entities: [translation.entity] },
      );
      const told = report.differences.filter((each) => each.kind !== "unexpected");
      const notTold = damaged.filter((change) => !told.some((each) => isFound(translation, change, each)));

      expect(notTold.map((each) => [each.column.column, each.row, told])).toEqual([]);
      expect(told).toHaveLength(damaged.length);
      columns = columns.slice(damaged.length);
    }
  });
});

function mappedSerial({ entity }: Translation): string | undefined {
  return entity.serial?.rule === "mapped" ? entity.serial.field : undefined;
}

test("every entity is changed column by column in one of the copies", () => {
  const moved = new Set(COPIES.flatMap((copy) => movedBy(copy).map(({ id }) => id)));

  expect(entities.map(({ id }) => id).filter((id) => !moved.has(id))).toEqual([]);
});
