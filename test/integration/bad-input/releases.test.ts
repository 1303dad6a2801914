import { expect, test, vi } from "vitest";
import { anEnvironment, type Environment } from "../../support/an-environment.ts";
import { expectComplete } from "../../support/expect-complete.ts";

vi.setConfig({ testTimeout: 180_000 });

/** An MD5 per table over the columns that a copy carries, in the order of their keys. */
async function digest(of: Environment["source"], columns: Readonly<Record<string, string>>) {
  const digests: Record<string, unknown> = {};
  for (const [table, list] of Object.entries(columns)) {
    const [row] = await of.query(
      `select count(*)::int as n, md5(string_agg(t::text, E'\\n' order by t::text)) as md5 from (select ${list} from ${table}) t`,
    );
    digests[table] = row;
  }
  return digests;
}

test("from 2.10.5 to 2.10.5 under the same key, pickles, tokens and text go over byte for byte", async () => {
  await using environment = await anEnvironment({ target: "airflow-2.10.5-empty" });
  const env = { TARGET_FERNET_KEY: environment.variables["SOURCE_FERNET_KEY"] ?? "" };
  const finished =
    "exists (select 1 from dag_run r where r.dag_id = s.dag_id and r.run_id = s.run_id and r.state in ('success', 'failed'))";

  // What is plain text becomes a token on the way; here tokens are compared.
  await environment.source.query("delete from variable where is_encrypted is not true");
  const planned = await environment.plan([], { env });
  const applied = await environment.apply([], { env });

  expect(planned.blockers).toEqual([]);
  expect(applied.code, applied.output).toBe(0);
  expect(applied.json["changed"]).toEqual([]);
  const tables = {
    [`xcom s where ${finished}`]: "dag_id, task_id, run_id, map_index, key, value, timestamp",
    "dag_run s where state in ('success', 'failed')":
      // NULL, which Airflow's own API refuses, is filled in.
      "dag_id, run_id, execution_date, state, conf, run_type, coalesce(external_trigger, run_type = 'manual'), data_interval_end, clear_number",
    [`task_instance s where ${finished}`]:
      "dag_id, task_id, run_id, map_index, state, coalesce(try_number, 0), coalesce(executor_config, '\\x80027d71002e'), duration, coalesce(hostname, ''), updated_at",
    [`rendered_task_instance_fields s where ${finished}`]:
      "dag_id, task_id, run_id, map_index, rendered_fields::text, k8s_pod_yaml::text",
    "connection s where conn_id in ('seed_full', 'seed_long')": "conn_id, password, extra",
    "variable s where val like 'gAAAAA%'": "key, val",
  };
  expect(await digest(environment.target, tables)).toEqual(await digest(environment.source, tables));
});

test("an older target is blocked; --accept-loss lists what is lost; 3.3.2 to 3.3.2 goes over unchanged", async () => {
  await using newer = await anEnvironment();
  await newer.plan();
  expect((await newer.apply()).code).toBe(0);
  await using older = await anEnvironment({ source: "nothing", target: "airflow-2.10.5-empty" });
  await using same = await anEnvironment({ source: "nothing", target: "airflow-3.3.2-empty" });
  const key = newer.variables["TARGET_FERNET_KEY"] ?? "";
  const env = { SOURCE_DATABASE_URL: newer.target.url, SOURCE_FERNET_KEY: key };

  const blocked = await older.plan([], { env });
  const forPeople = await older.run(["plan"], { env });
  const accepted = await older.plan(["--accept-loss"], { env });
  const losses = await older.run(["plan", "--accept-loss", "--show", "findings"], { env });
  const applied = await older.apply([], { env });
  const toSame = { ...env, TARGET_FERNET_KEY: key };
  await same.plan([], { env: toSame });
  const copied = await same.apply([], { env: toSame });

  expect(blocked.code).toBe(3);
  expect(blocked.blockers.map((each) => each.code)).toEqual(["TARGET_OLDER"]);
  expect(blocked.finding("TARGET_OLDER")?.next.join()).toContain("crosswind plan --accept-loss");
  expectComplete(blocked);
  expect(forPeople.text).toContain(
    "TARGET_OLDER the target (Airflow 2.10.3 and later, before 3.0.0) is older than the source",
  );
  expect(accepted.code).toBe(0);
  expect(accepted.finding("TARGET_OLDER")?.severity).toBe("warning");
  expect(accepted.findings.map((each) => each.what)).toEqual(
    expect.arrayContaining([expect.stringMatching(/^DAG runs: 28 values of run_after stay behind: /)]),
  );
  expect(applied.code, applied.output).toBe(0);
  expect(await older.target.query("select count(*)::int as n from xcom")).toEqual([{ n: 111 }]);
  expect(losses.text).toContain("FIELD_LOST");
  expect(copied.code, copied.output).toBe(0);
  const tables = {
    xcom: "dag_id, task_id, run_id, map_index, key, value::text, timestamp",
    dag_run: "id, dag_id, run_id, logical_date, state, conf::text, run_type, run_after",
    task_instance: "id, dag_id, task_id, run_id, map_index, state, executor_config, try_number",
    connection: "conn_id, password, extra, host, login",
    variable: "key, val, description",
    log: "id, dttm, event, extra",
  };
  expect(await digest(same.target, tables)).toEqual(await digest(newer.target, tables));
});
