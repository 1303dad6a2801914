import { expect, test, vi } from "vitest";
import { anEnvironment } from "../../support/an-environment.ts";

vi.setConfig({ testTimeout: 180_000 });

const AT = "dag_id = 'seed_history' and run_id = 'manual__none' and task_id = 'xcoms'";
const BIG = 20 * 1024 * 1024;
const hex = (text: string) => Buffer.from(text, "utf8").toString("hex");

/** Values as 2.10.5 may keep them, in hexadecimal digits; large ones as an expression. */
const XCOMS: Readonly<Record<string, string>> = {
  plain: `'\\x${hex('{"a": [1, "ü"]}')}'::bytea`,
  big: `convert_to('"' || repeat('x', ${BIG}) || '"', 'UTF8')`,
  deep: "convert_to(repeat('[', 10000) || repeat(']', 10000), 'UTF8')",
  infinite: `'\\x${hex('{"n": NaN, "i": Infinity, "m": [-Infinity]}')}'::bytea`,
  nul: `'\\x${hex('"a\\u0000b"')}'::bytea`,
  lone: `'\\x${hex('"\\ud83d!"')}'::bytea`,
  invalid_utf8: "'\\x22fffe22'::bytea",
  no_json: `'\\x${hex("{not json")}'::bytea`,
  pickle: "'\\x800463706f7369780a73797374656d0a71002e'::bytea",
};

test("values that the target can not hold arrive as documented and are reported; every other value arrives as it is", async () => {
  await using environment = await anEnvironment();
  for (const [key, value] of Object.entries(XCOMS)) {
    await environment.source.query(
      `insert into xcom (dag_run_id, task_id, map_index, key, dag_id, run_id, value, timestamp)
       select dag_run_id, task_id, map_index, 'bad_${key}', dag_id, run_id, ${value}, now() from xcom where ${AT} limit 1`,
    );
  }
  await environment.source.query(
    `update dag_run set conf = '\\x80049522'::bytea where dag_id = 'cw_scheduled' and run_id = (select min(run_id) from dag_run where dag_id = 'cw_scheduled')`,
  );

  const planned = await environment.plan();
  const applied = await environment.apply();
  const forPeople = await environment.run(["apply"]);

  expect(planned.blockers).toEqual([]);
  expect(applied.code, applied.output).toBe(0);
  const value = async (key: string) => {
    const [row] = await environment.target.query<{ value: string }>(
      `select case when length(value::text) > 300 then md5(value::text) || ' ' || length(value::text) else value::text end as value
       from xcom where ${AT} and key = $1`,
      [`bad_${key}`],
    );
    return row?.value;
  };
  expect(await value("plain")).toBe('{"a": [1, "ü"]}');
  const [big] = await environment.source.query<{ md5: string }>(`select md5('"' || repeat('x', ${BIG}) || '"') as md5`);
  expect(await value("big")).toBe(`${big?.md5} ${BIG + 2}`);
  expect(await value("infinite")).toBe('{"i": "Infinity", "m": ["-Infinity"], "n": "NaN"}');
  expect(await value("nul")).toBe('"a\\\\u0000b"');
  expect(await value("lone")).toBe('"\\\\ud83d!"');
  expect(await value("invalid_utf8")).toBe('"\ufffd\ufffd"');
  const labelled = (bytes: Buffer, reason: string) =>
    expect.objectContaining({
      __crosswind__: "undecodable",
      encoding: "base64",
      data: bytes.toString("base64"),
      reason,
    });
  const undecodable = await environment.target.query(
    `select key, value from xcom where ${AT} and key in ('bad_deep', 'bad_no_json', 'bad_pickle') order by key`,
  );
  expect(undecodable.map((row) => row["value"])).toEqual([
    labelled(Buffer.from("[".repeat(10_000) + "]".repeat(10_000)), expect.any(String) as string),
    labelled(Buffer.from("{not json"), "not JSON at character 1"),
    labelled(Buffer.from("800463706f7369780a73797374656d0a71002e", "hex"), "refused: posix.system"),
  ]);
  const [run] = await environment.target.query(
    "select conf from dag_run where dag_id = 'cw_scheduled' order by run_id limit 1",
  );
  expect(run?.["conf"]).toEqual(labelled(Buffer.from("80049522", "hex"), "the pickle is cut short"));
  const changed = applied.json["changed"] as readonly { field: string; kind: string; count: number }[];
  const count = (field: string, kind: string) =>
    changed.find((each) => each.field === field && each.kind === kind)?.count;
  // The recorded source has some of most kinds already (test/fixtures/README.md).
  expect({
    undecodable: count("value", "undecodable"),
    utf8: count("value", "invalid-utf8-replaced"),
    lone: count("value", "surrogate-shown"),
    nul: count("value", "nul-shown"),
    nan: count("value", "nan-as-text"),
    conf: count("conf", "undecodable"),
  }).toEqual({ undecodable: 7, utf8: 1, lone: 2, nul: 3, nan: 4, conf: 2 });
  expect(forPeople.text).toContain("xcom.value: 7 undecodable (for example ");
});

test("connections whose extra is free text are named by the plan, each with what can be done", async () => {
  await using environment = await anEnvironment();
  const { source } = environment;
  await source.query(
    `insert into connection (conn_id, conn_type, extra, is_encrypted, is_extra_encrypted) values ('a_list', 'http', '[1]', false, false),
       ('python_json', 'http', ' {"a": NaN}', false, false), ('no_json', 'http', '{a: 1}', false, false)`,
  );

  const planned = await environment.plan();
  const older = await environment.plan(["--without", "connection:a_list", "--without", "connection:no_json"]);

  expect(planned.finding("VALUE_NOT_AS_WANTED")).toMatchObject({
    severity: "warning",
    entity: "connection",
    subjects: ["connection:a_list", "connection:no_json", "connection:seed_flags_null"],
    next: [
      expect.stringContaining("JSON object"),
      "or leave them out: crosswind plan --without 'connection:a_list' --without 'connection:no_json' --without 'connection:seed_flags_null'",
    ],
  });
  expect(planned.output).not.toContain("free text, no JSON");
  expect(older.finding("VALUE_NOT_AS_WANTED")?.subjects).toEqual(["connection:seed_flags_null"]);
});

test("pickled XComs of a target that reads them with a setting alone are told, and no others", async () => {
  await using older = await anEnvironment({ target: "airflow-2.10.5-empty" });
  await using newer = await anEnvironment();
  const [pickles] = await older.source.query<{ n: number }>(
    "select count(*)::int as n from xcom where encode(substring(value from 1 for 1), 'hex') = '80'",
  );

  const planned = await older.plan(["--accept-loss"]);
  const converted = await newer.plan();

  expect(pickles?.n).toBeGreaterThan(0);
  expect(planned.finding("TARGET_NEEDS_SETTING")).toMatchObject({
    severity: "warning",
    entity: "xcom",
    what: expect.stringMatching(new RegExp(`^${pickles?.n} XComs are pickles`)),
    next: [expect.stringContaining("ENABLE_XCOM_PICKLING")],
  });
  expect(converted.finding("TARGET_NEEDS_SETTING")).toBeUndefined();
});
