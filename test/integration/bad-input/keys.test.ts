import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { aFernetKey, anEnvironment, type Environment } from "../../support/an-environment.ts";
import { expectComplete } from "../../support/expect-complete.ts";

vi.setConfig({ testTimeout: 180_000 });

const SECRETS = ["--entity", "connection", "--entity", "variable"];
let shared: Environment;

beforeAll(async () => {
  shared = await anEnvironment();
});
afterAll(() => shared[Symbol.asyncDispose]());

test("a wrong source key blocks the plan, and the list says which connections and variables, never their values", async () => {
  const env = { SOURCE_FERNET_KEY: aFernetKey() };

  const planned = await shared.plan(SECRETS, { env });
  const forPeople = await shared.run(["plan", ...SECRETS], { env });
  const applied = await shared.apply([], { env });

  expect(planned.code).toBe(3);
  expect(planned.blockers.map((each) => [each.code, each.subjects])).toEqual([
    ["SECRET_UNREADABLE", ["connection:seed_full", "connection:seed_long", "connection:seed-odd:1/2#(3)!"]],
    ["SECRET_UNREADABLE", ["variable:seed_json", "variable:seed_text", "variable:seed_empty", "variable:seed_long"]],
  ]);
  expectComplete(planned);
  expect(forPeople.code).toBe(3);
  expect(forPeople.text).toContain("they were encrypted with a key that is not in source.fernetKey");
  expect(forPeople.text).toContain("Blocked. Saved to crosswind.plan.json; mend what blocks and plan again.");
  expect(applied.code).toBe(3);
  expect(applied.problem).toMatchObject({ code: "PLAN_BLOCKED", safe: "nothing was written on either side." });
  expect(await shared.target.query("select 1 from pg_namespace where nspname = 'crosswind'")).toEqual([]);
});

test("a missing source key and a missing target key are told as such, each with the setting to make", async () => {
  await using environment = await anEnvironment({ source: "airflow-2.10.5", target: "airflow-3.3.2-empty" });
  await environment.writeConfig(
    "source:\n  database: ${env:SOURCE_DATABASE_URL}\ntarget:\n  database: ${env:TARGET_DATABASE_URL}\n",
  );

  const planned = await environment.plan(SECRETS);
  const forPeople = await environment.run(["plan", ...SECRETS]);

  expect(planned.code).toBe(3);
  expect(planned.finding("SECRET_UNREADABLE")?.what).toContain("no source.fernetKey is given");
  expect(planned.finding("TARGET_KEY_MISSING")?.next.join()).toContain("set target.fernetKey in crosswind.yaml");
  expectComplete(planned);
  expect(forPeople.text).toContain("TARGET_KEY_MISSING no target.fernetKey is given");
});

test.for([
  ["source.fernetKey", "SOURCE_FERNET_KEY"],
  ["target.fernetKey", "TARGET_FERNET_KEY"],
] as const)("a malformed %s is named with its position, and not shown", async ([setting, variable]) => {
  const env = { [variable]: `${aFernetKey()},not-a-key-${"k".repeat(30)}` };

  const planned = await shared.plan([], { env });
  const forPeople = await shared.run(["plan"], { env });

  expect(planned.code).toBe(1);
  expect(planned.problem).toMatchObject({ code: "FERNET_KEY_INVALID" });
  expect(planned.problem?.what).toContain(`${setting}: key 2 of 2`);
  expectComplete(planned);
  expect(forPeople.text).toContain(`FERNET_KEY_INVALID ${setting}: key 2 of 2`);
  expect(planned.output + forPeople.output).not.toContain("not-a-key");
});

test("a target key that does not open what the target has encrypted already blocks the plan", async () => {
  const [token] = await shared.source.query("select val from variable where key = 'seed_text'");
  await shared.target.query("insert into variable (key, val, is_encrypted) values ('own', $1, true)", [token?.["val"]]);

  const planned = await shared.plan(SECRETS);
  const forPeople = await shared.run(["plan", ...SECRETS]);
  await shared.target.query("delete from variable");

  expect(planned.code).toBe(3);
  expect(planned.blockers.map((each) => [each.code, each.subjects])).toEqual([["TARGET_KEY_WRONG", ["variable:own"]]]);
  expectComplete(planned);
  expect(forPeople.text).toContain('("own"): its Airflow uses another key');
});

test("every key of a list is tried; what none opens may be left out by a command that a shell takes as it stands", async () => {
  const name = "it's; $(x)";
  await shared.source.query(
    "insert into variable (key, val, is_encrypted) select $1, val || 'x', true from variable where key = 'seed_text'",
    [name],
  );
  const env = { SOURCE_FERNET_KEY: `${aFernetKey()},${shared.variables["SOURCE_FERNET_KEY"]}` };

  const blocked = await shared.plan(SECRETS, { env });
  const planned = await shared.plan([...SECRETS, "--without", `variable:${name}`], { env });
  const applied = await shared.apply([], { env });

  expect(blocked.finding("SECRET_UNREADABLE")?.subjects).toEqual([`variable:${name}`]);
  expect(blocked.finding("SECRET_UNREADABLE")?.next.join("\n")).toContain(`--without 'variable:it'\\''s; $(x)'`);
  expect(planned.blockers).toEqual([]);
  expect(planned.entity("variable").leftBehind).toEqual([{ rows: 1, reason: "left out by name" }]);
  expect(applied.code, applied.output).toBe(0);
  const there = await shared.target.query("select key from variable");
  expect(there).toHaveLength(planned.entity("variable").toCopy);
  expect(there.map((row) => row["key"])).not.toContain(name);
});
