import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encryptToken, parseFernetKeys } from "../../src/airflow/codecs/index.ts";
import { verifyView } from "../../src/cli/views/verify.ts";
import { differing, isEqual, type VerifyReport } from "../../src/engine/verify/report.ts";
import type { VerifyJob } from "../../src/engine/verify/verify-context.ts";
import type { Session } from "../../src/ports/database.ts";
import { type Probed, verifyAll } from "../support/a-copy.ts";
import { freshDatabase } from "../support/database.ts";
import { doneCopy, inDatabase, TO_AIRFLOW_3, targetKeys, verifyDamaged } from "./verify-copies.ts";

const resources = new AsyncDisposableStack();
let pair: Probed;

beforeAll(async () => {
  pair = await doneCopy(TO_AIRFLOW_3, resources);
});

afterAll(() => resources.disposeAsync());

const KEEP = { repair: { deletions: "keep" } } as const satisfies Partial<VerifyJob>;
const CARRY = { repair: { deletions: "carry" } } as const satisfies Partial<VerifyJob>;

/** A target of the test's own, damaged. */
async function damagedTarget(damage: string): Promise<AsyncDisposable & Probed> {
  const target = await freshDatabase({ template: new URL(pair.target).pathname.slice(1) });
  await inDatabase(target.url, (session) => session.query(damage));
  return { ...pair, target: target.url, [Symbol.asyncDispose]: () => target[Symbol.asyncDispose]() };
}

function first(table: string, where = "true"): string {
  return `ctid = (select min(ctid) from ${table} where ${where})`;
}

const ANOTHER_SECRET = encryptToken(parseFernetKeys(targetKeys), Buffer.from("another secret"));

const CHANGED_AND_GONE = `
  update connection set password = '${ANOTHER_SECRET}' where conn_id = (select min(conn_id) from connection where is_encrypted);
  delete from variable where ${first("variable")};
  update task_instance set hostname = 'elsewhere' where ${first("task_instance")};
  update log set extra = 'other' where ${first("log")};
  delete from xcom where ${first("xcom")};
  delete from dag_run_note where ${first("dag_run_note")};
  update task_instance_history set state = null where ${first("task_instance_history")};`;

/** A row in a run that was copied. */
const ADDED_XCOM = `insert into xcom select (jsonb_populate_record(null::xcom, to_jsonb(x) || '{"key": "added"}')).* from xcom x where ${first("xcom")};`;

function of(report: VerifyReport, entity: string) {
  return report.entities.find((each) => each.entity === entity);
}

async function rowsOf(url: string, table: string): Promise<number> {
  const [row] = await inDatabase(url, (session) =>
    session.query<{ n: number }>(`select count(*)::int as n from ${table}`),
  );
  return row?.n ?? 0;
}

describe("a repair", () => {
  test("writes again what is changed or gone, secrets too, and compares that again", async () => {
    await using target = await damagedTarget(CHANGED_AND_GONE);
    const before = await verifyAll(target);

    const repaired = await verifyAll(target, KEEP);
    const after = await verifyAll(target);

    expect(before.entities.filter((each) => differing(each) > 0).map((each) => each.entity)).toHaveLength(7);
    expect(repaired.differences).toEqual([]);
    expect(isEqual(repaired)).toBe(true);
    expect(after.differences).toEqual([]);
    const written = Object.fromEntries((repaired.repaired ?? []).map((each) => [each.entity, each]));
    expect(written["task_instance"]).toMatchObject({ inserted: 0, updated: 1, deleted: 0 });
    expect(written["xcom"]).toMatchObject({ inserted: 1, updated: 0 });
    const shown = verifyView.human({ report: repaired, explain: false }, { isTerminal: false, width: 100 });
    expect(shown).toContain("Task instances: 1 changed");
  });

  test("keeps and tells rows of ours that the source does not have", async () => {
    await using target = await damagedTarget(ADDED_XCOM);
    const rows = await rowsOf(target.target, "xcom");

    const report = await verifyAll(target, KEEP);

    expect(of(report, "xcom")).toMatchObject({ unexpected: 1, missing: 0 });
    expect(await rowsOf(target.target, "xcom")).toBe(rows);
    const shown = verifyView.human({ report, explain: false }, { isTerminal: false, width: 100 });
    expect(shown).toContain("--deletions carry");
  });

  test("deletes them where deletions are carried, and nothing of the target's own", async () => {
    await using target = await damagedTarget(`${ADDED_XCOM}
      insert into dag_run (dag_id, run_id, run_type, run_after, clear_number, span_status)
        select 'cw_configured', 'of the target', 'manual', now(), 0, 'x';
      insert into task_instance (id, dag_id, task_id, run_id, map_index, pool, pool_slots, try_number, max_tries, span_status)
        select gen_random_uuid(), 'cw_configured', 'mine', 'of the target', -1, 'default_pool', 1, 1, 1, 'x';
      insert into log (dttm, event) select now(), 'of the target';
      insert into variable (key, val, is_encrypted) values ('of the target', 'x', false);`);
    const [xcoms, instances, logs] = [
      await rowsOf(target.target, "xcom"),
      await rowsOf(target.target, "task_instance"),
      await rowsOf(target.target, "log"),
    ];

    const report = await verifyAll(target, CARRY);

    expect(report.differences).toEqual([]);
    expect(report.repaired).toMatchObject([{ entity: "xcom", inserted: 0, updated: 0, deleted: 1 }]);
    expect(await rowsOf(target.target, "xcom")).toBe(xcoms - 1);
    expect(await rowsOf(target.target, "task_instance")).toBe(instances);
    expect(await rowsOf(target.target, "log")).toBe(logs);
    expect(await rowsOf(target.target, "variable where key = 'of the target'")).toBe(1);
  });

  test("mends a row that lost its key: deletes it under the wrong one, writes it under its own, and its children stay", async () => {
    const target = await damagedTarget(`update dag_run set run_id = 'nobody knows' where ${first("dag_run")}`);
    await using _target = target;
    const report = await verifyAll(target, CARRY);

    expect(report.differences).toEqual([]);
    expect(await rowsOf(target.target, "dag_run where run_id = 'nobody knows'")).toBe(0);
  });

  test("tells what the target refuses, and repairs the rest", async () => {
    await using target = await damagedTarget(`${CHANGED_AND_GONE}
      alter table xcom add constraint nothing_new check (false) not valid;`);

    const report = await verifyAll(target, KEEP);

    expect(report.repaired?.find((each) => each.entity === "xcom")?.refused).toContain("nothing_new");
    expect(report.entities.filter((each) => differing(each) > 0)).toMatchObject([{ entity: "xcom", missing: 1 }]);
  });
});

describe("a DAG that is live on the target", () => {
  const own = (dag: string, then: string) => `
    insert into crosswind.dag_owner (source, dag_id, owner) select source, '${dag}', 'target' from crosswind.run limit 1;
    ${then}`;
  const someDag = async () => {
    const [row] = await inDatabase(pair.target, (session: Session) =>
      session.query<{ dag_id: string }>("select dag_id from xcom group by 1 order by count(*) desc, 1 limit 1"),
    );
    return row?.dag_id ?? "";
  };

  test("is compared and told, is no difference, and is not repaired", async () => {
    const dag = await someDag();
    await using target = await damagedTarget(
      own(
        dag,
        `update task_instance set hostname = 'live'; delete from xcom where dag_id = '${dag}' and ${first("xcom", `dag_id = '${dag}'`)};`,
      ),
    );
    const rows = await rowsOf(target.target, "xcom");
    const lived = await rowsOf(target.target, `task_instance where dag_id = '${dag}'`);

    const report = await verifyAll(target, CARRY);

    expect(isEqual(report)).toBe(true);
    expect(report.live?.dags).toEqual([dag]);
    const live = (entity: string) => report.live?.entities.find((each) => each.entity === entity);
    expect(live("xcom")).toMatchObject({ missing: 1 });
    expect(live("task_instance")).toMatchObject({ different: lived });
    expect(await rowsOf(target.target, "xcom")).toBe(rows);
    expect(await rowsOf(target.target, `task_instance where dag_id = '${dag}' and hostname = 'live'`)).toBe(lived);
    expect(await rowsOf(target.target, `task_instance where dag_id <> '${dag}' and hostname = 'live'`)).toBe(0);
    const shown = verifyView.human({ report, explain: false }, { isTerminal: false, width: 100 });
    expect(shown).toContain("1 DAG is live on the target");
  });
});

describe("a sample", () => {
  const at = (ms: number) => ({ samplePercent: 50, now: () => new Date(ms) }) satisfies Partial<VerifyJob>;

  test("is made of whole buckets: two halves have every row and every difference once", async () => {
    const damage = (target: Session) => target.query("update log set event = 'x' || event where id % 3 = 0");
    const all = (await verifyDamaged(pair, damage)).report;
    const halves = [
      (await verifyDamaged(pair, damage, at(0))).report,
      (await verifyDamaged(pair, damage, at(128))).report,
    ] as const;

    const sum = (count: (report: VerifyReport) => number) => halves.reduce((total, each) => total + count(each), 0);
    for (const count of ["sourceRows", "equal", "different"] as const) {
      expect(
        sum((report) => of(report, "log")?.[count] ?? 0),
        count,
      ).toBe(of(all, "log")?.[count]);
    }
    expect(halves.map((each) => (of(each, "log")?.different ?? 0) > 0)).toEqual([true, true]);
    expect(halves.map((each) => each.sample)).toEqual([
      { buckets: 128, of: 256 },
      { buckets: 128, of: 256 },
    ]);
    const shown = verifyView.human({ report: halves[0], explain: false }, { isTerminal: false, width: 100 });
    expect(shown).toContain("128 of 256 groups of keys: 50 %");
  });
});

test("one lane and four find the same", async () => {
  await using target = await damagedTarget(CHANGED_AND_GONE);
  const digestKey = Buffer.alloc(32, 3);
  const codecs = {
    sourceKeys: parseFernetKeys(pair.sourceKeys),
    targetKeys: parseFernetKeys(pair.targetKeys),
    digestKey,
  };
  const find = async (lanes: number) => (await verifyAll(target, { lanes, codecs })).differences;

  const [one, four] = [await find(1), await find(4)];

  expect(one).toHaveLength(7);
  expect(four).toEqual(one);
});

test("says what it had compared when it is stopped", async () => {
  const stop = new AbortController();
  const verified = verifyAll(pair, {
    lanes: 1,
    signal: stop.signal,
    onEvent: (event) => {
      if (event.kind === "verified" && event.entity === "dag_run") stop.abort();
    },
  });

  await expect(verified).rejects.toThrow(
    /VERIFY_STOPPED.*Connections \(\d+ of \d+ rows equal\).*Not compared: \d+ kinds/,
  );
});
