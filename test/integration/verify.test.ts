import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decryptToken, encryptToken, parseFernetKeys } from "../../src/airflow/codecs/index.ts";
import { taskInstance } from "../../src/airflow/entities/task-instance.ts";
import { verifyView } from "../../src/cli/views/verify.ts";
import { openPostgres } from "../../src/databases/postgres/postgres.ts";
import { Secret } from "../../src/domain/secret.ts";
import { EVERYTHING } from "../../src/domain/selection.ts";
import { lanesOf } from "../../src/engine/copy/copy-context.ts";
import { openReadSnapshot } from "../../src/engine/copy/snapshot.ts";
import { NO_ID_RULES } from "../../src/engine/translate/translate.ts";
import type { VerifyReport } from "../../src/engine/verify/report.ts";
import { fewDags } from "../../src/engine/verify/row-queries.ts";
import { cutIntoSlices } from "../../src/engine/verify/slices.ts";
import type { VerifyJob } from "../../src/engine/verify/verify-context.ts";
import type { Session } from "../../src/ports/database.ts";
import { type Probed, verifyAll } from "../support/a-copy.ts";
import { doneCopy, inDatabase, TO_AIRFLOW_3, targetKeys, verifyDamaged, WITHIN_2 } from "./verify-copies.ts";

const resources = new AsyncDisposableStack();
let toAirflow3: Probed;
let within2: Probed;

beforeAll(async () => {
  toAirflow3 = await doneCopy(TO_AIRFLOW_3, resources);
  within2 = await doneCopy(WITHIN_2, resources);
});

afterAll(() => resources.disposeAsync());

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

test("tells two values that changed places between two runs", async () => {
  const { report, damaged } = await verifyDamaged(toAirflow3, async (target) => {
    const [pair] = await target.query<{ one: string; other: string }>(
      `select min(a.run_id) as one, min(b.run_id) as other from task_instance a join task_instance b
       on b.dag_id = a.dag_id and b.task_id = a.task_id and b.run_id > a.run_id and b.start_date <> a.start_date
       group by a.dag_id, a.task_id, a.run_id, b.run_id order by a.run_id, b.run_id limit 1`,
    );
    const { one, other } = pair ?? { one: "", other: "" };
    return await target.query(
      `update task_instance t set start_date = o.start_date from task_instance o
       where o.dag_id = t.dag_id and o.task_id = t.task_id and o.map_index = t.map_index and t.start_date <> o.start_date
         and (t.run_id, o.run_id) in (($1, $2), ($2, $1)) returning t.run_id`,
      [one, other],
    );
  });

  expect(damaged.length).toBeGreaterThanOrEqual(2);
  expect(report.differences).toHaveLength(damaged.length);
  expect(report.differences.flatMap((each) => each.columns.map(({ column }) => column))).toEqual(
    damaged.map(() => "start_date"),
  );
});

test("tells a row without a key of its own that is there twice", async () => {
  const report = await verifyDamagedBy(
    `insert into log select (jsonb_populate_record(null::log, to_jsonb(l) || jsonb_build_object('id', r.high))).*
     from log l, crosswind.id_rule r where r.entity = 'log' and l.${firstRow("log")}`,
  );

  expect(report.differences).toMatchObject([{ entity: "log", kind: "unexpected" }]);
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

test.for([
  ["few DAGs: by their ids, which an index has", ["a", "it's"], [`s."dag_id" = any(array['a','it''s']::text[])`]],
  ["many DAGs: by ranges of blocks", Array.from({ length: 33 }, (_, index) => `dag_${index}`), [undefined]],
] as const)("reads rows of %s", async ([, dags, slices]) => {
  await using database = openPostgres({ url: new Secret(toAirflow3.target), name: "slices", maxSessions: 2 });
  await using snapshot = await openReadSnapshot(database);
  const { targetSide } = toAirflow3;
  const lanes = lanesOf({ sourceSide: targetSide, targetSide }, taskInstance, NO_ID_RULES);
  if (lanes === undefined) throw new Error("every release has task instances");
  const few = fewDags({ dags, leftOut: [], without: [] });

  const cut = await cutIntoSlices(snapshot, lanes.optimistic, { release: targetSide.release, dags: few, most: 2 });

  expect(cut).toEqual(slices);
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
    await inDatabase(toAirflow3.target, async (target) => {
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
  const pair = toAirflow3;
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
  const verified = verifyAll(within2, { identity: "another source" });

  await expect(verified).rejects.toThrow("VERIFY_NOTHING_COPIED");
});

test("stops between two chunks when it is told to", async () => {
  await expect(verifyAll(within2, { signal: AbortSignal.abort() })).rejects.toThrow("VERIFY_STOPPED");
});

test("refuses patterns that match no DAG", async () => {
  const verified = verifyAll(within2, { dags: ["nothing_*"], selection: EVERYTHING });

  await expect(verified).rejects.toThrow("NOTHING_SELECTED");
});
