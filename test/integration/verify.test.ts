import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decryptToken, encryptToken, parseFernetKeys } from "../../src/airflow/codecs/index.ts";
import { entities } from "../../src/airflow/entities/index.ts";
import { verifyView } from "../../src/cli/views/verify.ts";
import { loadFixture } from "../../src/databases/postgres/load-fixture.ts";
import { openPostgres } from "../../src/databases/postgres/postgres.ts";
import type { Release } from "../../src/domain/release.ts";
import { Secret } from "../../src/domain/secret.ts";
import { EVERYTHING } from "../../src/domain/selection.ts";
import { lanesOf } from "../../src/engine/copy/copy-context.ts";
import { identifier, NO_ID_RULES, type OutputColumn, type Translation } from "../../src/engine/translate/translate.ts";
import type { RowDifference, VerifyReport } from "../../src/engine/verify/report.ts";
import type { VerifyJob } from "../../src/engine/verify/verify-context.ts";
import type { Row, Session } from "../../src/ports/database.ts";
import { applyAll, type Probed, verifyAll } from "../support/a-copy.ts";
import { fillAirflow3 } from "../support/airflow-3-rows.ts";
import { freshDatabase, templateDatabase } from "../support/database.ts";
import { recordedSchema } from "../support/recorded-schemas.ts";

const folder = join(import.meta.dirname, "../fixtures");
const sourceKeys = new Secret(readFileSync(join(folder, "fernet.key"), "utf8").trim());
const targetKeys = new Secret(Buffer.alloc(32, 7).toString("base64"));

/** A copy that is done: each test changes a target of its own, made from it. */
interface Copy {
  readonly name: string;
  readonly releases: readonly [source: Release, target: Release];
  /** Entities that only this pair of releases moves, of those below: which are tested column by column. */
  readonly entities: readonly string[];
  readonly source: { readonly file: string; readonly fill?: (session: Session) => Promise<void> };
  readonly target: string;
}

const ONLY_3 = [
  "team",
  "dag_bundle",
  "dag_bundle_team",
  "dag_favorite",
  "backfill",
  "backfill_dag_run",
  "hitl_detail",
  "hitl_detail_history",
  "task_state_store",
  "asset_state_store",
  "user_group",
  "user_group_member",
  "user_group_role",
];
const ONLY_2 = ["task_fail", "sla_miss"];

const COPIES: readonly Copy[] = [
  {
    name: "2.10.5 to 3.3.2",
    releases: ["2.10.5", "3.3.2"],
    entities: entities.map((each) => each.id).filter((id) => ![...ONLY_3, ...ONLY_2].includes(id)),
    source: { file: "airflow-2.10.5.sql.gz" },
    target: "airflow-3.3.2-empty.sql.gz",
  },
  {
    name: "3.3.2 to 3.3.2",
    releases: ["3.3.2", "3.3.2"],
    entities: ONLY_3,
    source: { file: "airflow-3.3.2-empty.sql.gz", fill: fillAirflow3 },
    target: "airflow-3.3.2-empty.sql.gz",
  },
  {
    name: "2.10.5 to 2.10.5",
    releases: ["2.10.5", "2.10.5"],
    entities: ONLY_2,
    source: { file: "airflow-2.10.5.sql.gz" },
    target: "airflow-2.10.5-empty.sql.gz",
  },
];

const resources = new AsyncDisposableStack();
const pairs = new Map<string, Probed>();

beforeAll(async () => {
  for (const copy of COPIES) {
    const [source, target] = [await fixture(copy.source.file), await fixture(copy.target)];
    const pair = {
      source: resources.use(await freshDatabase({ template: source })).url,
      target: resources.use(await freshDatabase({ template: target })).url,
      sourceKeys,
      targetKeys,
    };
    const { fill } = copy.source;
    if (fill !== undefined) await inDatabase(pair.source, fill);
    pairs.set(copy.name, { ...pair, ...(await applyAll(pair)) });
  }
});

afterAll(() => resources.disposeAsync());

async function fixture(file: string): Promise<string> {
  const path = join(folder, file);
  const digest = createHash("sha256").update(readFileSync(path)).digest("hex").slice(0, 12);
  return await templateDatabase(`fixture_${digest}`, (url) => loadFixture(url, path));
}

async function inDatabase<T>(url: string, work: (session: Session) => Promise<T>): Promise<T> {
  await using database = openPostgres({ url: new Secret(url), name: "changes", maxSessions: 1 });
  await using session = await database.session();
  // Foreign keys are not checked: the damage may be of any kind.
  await session.query("set session_replication_role = replica");
  return await work(session);
}

function pairOf({ name }: Copy): Probed {
  const pair = pairs.get(name);
  if (pair === undefined) throw new Error(`${name} was not copied`);
  return pair;
}

/** Damages a target of the test's own and compares. */
async function verifyDamaged<T>(
  copy: Copy,
  damage: (target: Session) => Promise<T>,
  options?: Partial<VerifyJob>,
): Promise<{ report: VerifyReport; damaged: T }> {
  const pair = pairOf(copy);
  await using target = await freshDatabase({ template: new URL(pair.target).pathname.slice(1) });
  const damaged = await inDatabase(target.url, damage);
  return { damaged, report: await verifyAll({ ...pair, target: target.url }, options) };
}

function translationOf(copy: Copy, id: string): Translation {
  const [source, target] = copy.releases.map((release) => ({ release, schema: recordedSchema(release) }));
  const entity = entities.find((each) => each.id === id);
  const lanes = source && target && entity && lanesOf({ sourceSide: source, targetSide: target }, entity, NO_ID_RULES);
  if (lanes === undefined) throw new Error(`${copy.name} does not move ${id}`);
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
  return hasOtherIds ? rows : rows.filter((row) => keys.has(keyOf(row)));
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
const HANGS_ON: readonly string[] = ["ti_id", "ti_history_id", "dag_run_id", "event_id", "backfill_id"];
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
    expect(copy.entities.filter((id) => !rows(id))).toEqual([]);
    expect(report.entities.filter((each) => each.equal !== each.targetRows)).toEqual([]);
  });

  test.for(copy.entities)("every compared column of %s is told when it changes", async (id) => {
    const translation = translationOf(copy, id);
    let columns = promised(translation).filter((column) => column.field !== mappedSerial(translation));
    expect(columns.length).toBeGreaterThan(0);

    while (columns.length > 0) {
      const { report, damaged } = await verifyDamaged(
        copy,
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
  expect(COPIES.flatMap((copy) => copy.entities).sort()).toEqual(entities.map((each) => each.id).sort());
});

const [toAirflow3, within3] = COPIES as readonly [Copy, Copy, Copy];

async function verifyDamagedBy(sql: string, options?: Partial<VerifyJob>): Promise<VerifyReport> {
  return (await verifyDamaged(toAirflow3, (target) => target.query(sql), options)).report;
}

/** The copied row of a table that is the first by its place, as a condition. */
function firstRow(table: string, where = "true"): string {
  return `ctid = (select min(ctid) from ${table} where ${where})`;
}

test.for([
  ["NULL instead of an empty text", "rendered_map_index", "''", "NULL", '""'],
  ["an upper case letter", "operator", "upper(operator)", undefined, undefined],
  ["a blank at the end", "hostname", "hostname || ' '", undefined, undefined],
  ["one microsecond", "start_date", "start_date + interval '1 microsecond'", undefined, undefined],
  ["the last bit of a floating point number", "duration", "duration * (1 + 2.3e-16::float8)", undefined, undefined],
] as const)("tells %s", async ([, column, change, source, target]) => {
  const report = await verifyDamagedBy(
    `update task_instance set ${column} = ${change} where ${firstRow("task_instance", "duration > 0 and rendered_map_index is null")}`,
  );

  expect(report.differences).toHaveLength(1);
  expect(report.differences[0]).toMatchObject({ entity: "task_instance", kind: "different" });
  expect(report.differences[0]?.columns.map((each) => each.column)).toEqual([column]);
  const shown = verifyView.human({ report, explain: false }, { isTerminal: false, width: 100 });
  if (source !== undefined) expect(shown).toContain(`${column}   source ${source}   target ${target}`);
});

test("tells JSON null from NULL", async () => {
  const report = await verifyDamagedBy(
    `update dag_run set conf = 'null'::jsonb where ${firstRow("dag_run", "conf is null")}`,
  );

  expect(report.differences).toMatchObject([
    { entity: "dag_run", kind: "different", columns: [{ column: "conf", source: null, target: "null" }] },
  ]);
});

test("tells a row that is gone, and one that came to a copied run", async () => {
  const report = await verifyDamagedBy(
    `with gone as (delete from xcom where ${firstRow("xcom")} returning *)
     insert into xcom select (jsonb_populate_record(null::xcom, to_jsonb(gone) || '{"key": "added"}')).* from gone`,
  );

  expect(report.differences.map((each) => each.kind).sort()).toEqual(["missing", "unexpected"]);
  expect(report.differences.find((each) => each.kind === "unexpected")?.label).toContain(" · added");
  const xcoms = report.entities.find((each) => each.entity === "xcom");
  expect(xcoms).toMatchObject({ different: 0, missing: 1, unexpected: 1 });
  expect(xcoms?.equal).toBe((xcoms?.sourceRows ?? 0) - 1);
});

test("rows of the target's own are none of the copy's", async () => {
  const report = await verifyDamagedBy(`
    insert into dag_run (dag_id, run_id, run_type, run_after, clear_number, span_status)
      select 'cw_configured', 'of the target', 'manual', now(), 0, 'x';
    insert into task_instance (id, dag_id, task_id, run_id, map_index, pool, pool_slots, try_number, max_tries, span_status)
      select gen_random_uuid(), 'cw_configured', 'mine', 'of the target', -1, 'default_pool', 1, 1, 1, 'x';
    insert into log (dttm, event) select now(), 'of the target';
    insert into variable (key, val, is_encrypted) values ('of the target', 'x', false);`);

  expect(report.differences).toEqual([]);
});

test("counts all differences and tells the first ones in detail", async () => {
  const report = await verifyDamagedBy(
    `insert into log (id, dttm, event) select r.high - n, now(), 'added ' || n
     from generate_series(1, 12000) n, crosswind.id_rule r where r.entity = 'log'`,
    { maxDifferences: 7 },
  );

  expect(report.entities.find((each) => each.entity === "log")).toMatchObject({ unexpected: 12_000, missing: 0 });
  expect(report.differences).toHaveLength(7);
  expect(verifyView.human({ report, explain: false }, { isTerminal: false, width: 100 })).toContain("and 11,993 more");
});

test("compares what belongs to some DAGs only", async () => {
  const damage = "update task_instance set hostname = 'elsewhere'; update connection set host = 'elsewhere'";
  const all = await verifyDamagedBy(damage, { maxDifferences: 1000 });
  const dag = all.differences.find((each) => each.entity === "task_instance")?.label.split(" · ")[0] ?? "";
  const some = await verifyDamagedBy(damage, { dags: [dag], maxDifferences: 1000 });

  const inDag = all.differences.filter((each) => each.label.startsWith(`${dag} · `));
  expect(inDag.length).toBeGreaterThan(0);
  expect(inDag.length).toBeLessThan(all.differences.length);
  expect(some.differences).toEqual(inDag);
});

describe("a secret", () => {
  const keys = parseFernetKeys(targetKeys);
  const canary = "canary-4711-plain";
  const set = (name: string, change: (plain: Buffer) => Buffer) => async (target: Session) => {
    const [row] = await target.query<{ password: string }>("select password from connection where conn_id = $1", [
      name,
    ]);
    const plain = decryptToken(keys, Buffer.from(row?.password ?? ""))?.plain;
    if (plain === undefined) throw new Error(`${name} has no password`);
    const token = encryptToken(keys, change(plain));
    await target.query("update connection set password = $2 where conn_id = $1", [name, token]);
    return [plain.toString(), token, row?.password ?? ""];
  };
  const somebody = async () =>
    await inDatabase(pairOf(toAirflow3).target, async (target) => {
      const [row] = await target.query<{ name: string }>(
        "select min(conn_id) as name from connection where is_encrypted and length(password) > 110",
      );
      return row?.name ?? "";
    });

  test("that was encrypted again is the same", async () => {
    const { report, damaged } = await verifyDamaged(
      toAirflow3,
      set(await somebody(), (plain) => plain),
    );

    expect(damaged[1]).not.toBe(damaged[2]);
    expect(report.differences).toEqual([]);
  });

  test("that is another one is told, and neither is shown", async () => {
    const name = await somebody();
    const { report, damaged } = await verifyDamaged(
      toAirflow3,
      set(name, () => Buffer.from(canary)),
    );

    expect(report.differences).toMatchObject([
      { entity: "connection", label: name, columns: [{ column: "password" }] },
    ]);
    const human = verifyView.human({ report, explain: true }, { isTerminal: false, width: 100 });
    const shown = JSON.stringify(verifyView.json({ report, explain: true })) + human;
    expect([canary, ...damaged, "gAAAA"].filter((each) => shown.includes(each))).toEqual([]);
  });

  test("that the target's key does not open is a difference", async () => {
    const name = await somebody();
    const report = await verifyDamagedBy(`update connection set password = 'gAAAAnonsense' where conn_id = '${name}'`);

    expect(report.differences).toMatchObject([
      { label: name, columns: [{ column: "password", target: "can not be decrypted" }] },
    ]);
  });
});

test("writes nothing: every table has the rows and versions that it had", async () => {
  const pair = pairOf(toAirflow3);
  const before = [await tableStates(pair.source), await tableStates(pair.target)];

  await verifyAll(pair);

  expect([await tableStates(pair.source), await tableStates(pair.target)]).toEqual(before);
  expect(before[1]).toHaveProperty("crosswind.run");
});

/** By table: its rows, and the newest transaction that wrote one. */
async function tableStates(url: string): Promise<Readonly<Record<string, unknown>>> {
  return await inDatabase(url, async (session) => {
    const tables = await session.query<{ name: string }>(
      "select schemaname || '.' || tablename as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema')",
    );
    const states: Record<string, unknown> = {};
    for (const { name } of tables) {
      states[name] = await session.query(`select count(*) as rows, max(xmin::text::bigint) as newest from ${name}`);
    }
    return states;
  });
}

test("a target that has no copy of this source is a problem", async () => {
  const verified = verifyAll(pairOf(within3), { identity: "another source" });

  await expect(verified).rejects.toThrow("VERIFY_NOTHING_COPIED");
});

test("stops between two chunks when it is told to", async () => {
  await expect(verifyAll(pairOf(within3), { signal: AbortSignal.abort() })).rejects.toThrow("VERIFY_STOPPED");
});

test("refuses patterns that match no DAG", async () => {
  const verified = verifyAll(pairOf(within3), { dags: ["nothing_*"], selection: EVERYTHING });

  await expect(verified).rejects.toThrow("NOTHING_SELECTED");
});
