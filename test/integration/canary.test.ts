import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import {
  aFernetKey,
  anEnvironment,
  aRole,
  type Environment,
  type OpenDatabase,
  type Ran,
} from "../support/an-environment.ts";

vi.setConfig({ testTimeout: 240_000 });

/** What stands in every place where a secret may be kept. Short enough to be quoted whole by a server. */
const CANARY = {
  connectionPassword: "canary-1-password",
  connectionExtra: "canary-2-extra",
  plainPassword: "canary-3-plain",
  variable: "canary-4-variable",
  plainVariable: "canary-5-plain",
  xcomJson: "canary-6-xcom",
  xcomPickle: "canary-7-pickle",
  conf: "canary-8-conf",
  note: "canary-9-note",
  rendered: "canary-10-rendered",
  logExtra: "canary-11-extra",
  executorConfig: "canary-12-executor",
  passwordHash: "scrypt:32768:8:1$canary-18$hash",
} as const;

const COMMANDS = ["init", "doctor", "verify", "config-show"].filter((name) =>
  existsSync(join(import.meta.dirname, `../../src/cli/commands/${name}.ts`)),
);

/** Everything that must not be seen: what was planted, and the keys and passwords that the configuration refers to. */
function forbidden(environment: Environment, more: readonly string[]): readonly string[] {
  const { SOURCE_FERNET_KEY, TARGET_FERNET_KEY, SOURCE_DATABASE_URL } = environment.variables;
  const password = new URL(SOURCE_DATABASE_URL ?? "").password;
  const inBase64 = Object.values(CANARY).map((each) => Buffer.from(each).toString("base64").slice(0, 16));
  return [
    ...Object.values(CANARY),
    ...inBase64,
    SOURCE_FERNET_KEY ?? "",
    TARGET_FERNET_KEY ?? "",
    decodeURIComponent(password),
    ...more,
  ].filter((each) => each !== "");
}

async function plant({ source }: Environment): Promise<void> {
  const at = "dag_id = 'seed_history' and run_id = 'manual__none' and task_id = 'xcoms'";
  await source.query(
    `insert into connection (conn_id, conn_type, password, extra, is_encrypted, is_extra_encrypted, host) values
       ('canary_plain', 'http', '${CANARY.plainPassword}', '{"token": "${CANARY.connectionExtra}"}', false, false, 'example.com');
     update ab_user set password = '${CANARY.passwordHash}';
     insert into variable (key, val, is_encrypted) values ('canary_plain', '${CANARY.plainVariable}', false);
     insert into xcom (dag_run_id, task_id, map_index, key, dag_id, run_id, value, timestamp)
       select dag_run_id, task_id, map_index, k, dag_id, run_id, v, now() from (select * from xcom where ${at} limit 1) x,
       (values ('canary_json', convert_to('{"n": NaN, "s": "${CANARY.xcomJson}"}', 'UTF8')),
         ('canary_broken', convert_to('{"s": "${CANARY.xcomJson}", broken', 'UTF8')),
         ('canary_pickle', '\\x8004'::bytea || convert_to('cposix' || chr(10) || 'system' || chr(10) || 'X', 'UTF8') || '\\x0f000000'::bytea
           || convert_to('${CANARY.xcomPickle}', 'UTF8') || '\\x85522e'::bytea)) c(k, v);
     update dag_run set conf = '\\x80047d'::bytea || convert_to('X', 'UTF8') || '\\x0d000000'::bytea || convert_to('${CANARY.conf}', 'UTF8')
       where dag_id = 'cw_scheduled' and run_id = (select min(run_id) from dag_run where dag_id = 'cw_scheduled');
     update dag_run_note set content = '${CANARY.note}';
     update log set extra = '{"s": "${CANARY.logExtra}"}' where dag_id = 'cw_scheduled';
     update rendered_task_instance_fields set rendered_fields = '{"s": "${CANARY.rendered}", "nul": "\\u0000"}' where dag_id = 'cw_scheduled'`,
  );
}

/** Every text in a database's own tables: of the state of runs, and of the ledger. */
async function textOf(database: OpenDatabase, schemas: readonly string[]): Promise<string> {
  const tables = await database.query<{ name: string }>(
    `select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind = 'r' and n.nspname = any($1)`,
    [schemas],
  );
  const texts: string[] = [];
  for (const { name } of tables) {
    const rows = await database.query<{ text: string }>(`select t::text as text from ${name} t`);
    texts.push(...rows.map((row) => row.text));
  }
  expect(texts.length).toBeGreaterThan(0);
  return texts.join("\n");
}

async function filesIn(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((each) => each.isFile());
  const texts = await Promise.all(
    files.map((each) => readFile(join(each.parentPath, each.name), "latin1").catch(() => "")),
  );
  return texts.join("\n");
}

function expectSilent(text: string, secrets: readonly string[], where: string): void {
  expect(text.length).toBeGreaterThan(0);
  for (const secret of secrets) expect(text.includes(secret), `${where} holds ${secret}`).toBe(false);
}

test("no command, whether it works or fails, prints or saves a secret", async () => {
  await using environment = await anEnvironment();
  await using role = await aRole([environment.target]);
  await plant(environment);
  const seen: Ran[] = [];
  const once = async (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
    const ran = await environment.run(args, { env });
    seen.push(ran);
    return ran;
  };
  const both = async (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
    const ran = await once([...args, "--json"], env);
    await once(args, env);
    return ran;
  };
  const wrongPassword = `postgresql://${role.name}:canary-13-url@127.0.0.1:1/nowhere?sslpassword=canary-14-ssl`;

  // Failures before anything is written.
  await both(["plan"], { SOURCE_FERNET_KEY: aFernetKey() });
  await once(["plan"], { SOURCE_FERNET_KEY: `canary-15-key,${aFernetKey()}` });
  await both(["plan"], { TARGET_DATABASE_URL: wrongPassword });
  await once(["plan"], { TARGET_DATABASE_URL: environment.target.urlAs(role.name, role.password) });
  for (const command of COMMANDS.filter((name) => name !== "verify" && name !== "init")) {
    await both(command.split("-"));
    await both(command.split("-"), { TARGET_DATABASE_URL: wrongPassword, SOURCE_FERNET_KEY: "canary-15-key" });
  }
  const planned = await both(["plan", "--show", "findings"]);
  await once(["apply"], { STATE_DATABASE_URL: wrongPassword });
  // Refusals that make the server quote the row: checks, a trigger's own message, a statement of another kind. In the order in which one lane
  // comes by the tables, so that each of them stops an apply.
  const oneLane = { CROSSWIND_LANES: "1" };
  const codes: (string | undefined)[] = [];
  const refusals = [
    [
      "alter table connection add constraint refuse check (host <> 'example.com') not valid",
      "alter table connection drop constraint refuse",
    ],
    [
      `create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no: %', new; end $$;
       create trigger refuse before insert on log for each row execute function refuse()`,
      "drop function refuse cascade",
    ],
    [
      `create function refuse() returns trigger language plpgsql as $$ begin perform (new.extra::jsonb->>'s')::int; return new; end $$;
       create trigger refuse before insert on log for each row execute function refuse()`,
      "drop function refuse cascade",
    ],
    // Which of the two comes first is open; the other one is refused after it.
    [
      `alter table xcom add constraint refuse check (value::text not like '%canary%') not valid;
       alter table rendered_task_instance_fields add constraint refuse check (rendered_fields::text not like '%canary%') not valid`,
      "alter table xcom drop constraint refuse",
    ],
    ["select 1", "alter table rendered_task_instance_fields drop constraint refuse"],
  ] as const;
  for (const [refuse, mend] of refusals) {
    await environment.target.query(refuse);
    codes.push((await once(["apply", "--json"], oneLane)).problem?.code);
    await environment.target.query(mend);
  }
  // The connection is lost in the middle, the key changes, and the rest.
  await environment.target.query(
    `create function lose() returns trigger language plpgsql as $$ begin perform pg_terminate_backend(pg_backend_pid()); return null; end $$;
     create trigger lose after insert on rendered_task_instance_fields for each statement execute function lose()`,
  );
  const lost = await once(["apply", "--json"]);
  await environment.target.query("drop function lose cascade");
  const stale = await once(["apply", "--json"], { TARGET_FERNET_KEY: aFernetKey() });
  const applied = await both(["apply"]);
  await both(["status"]);
  if (COMMANDS.includes("verify")) {
    await environment.target.query(
      `update variable set val = 'canary-17-other', is_encrypted = false where key = 'canary_plain';
       update ab_user set password = 'pbkdf2:canary-19-other'`,
    );
    await both(["verify"]);
  }

  expect(planned.code, planned.output).toBe(0);
  expect(codes).toEqual(refusals.map(() => "COPY_ROWS_REJECTED"));
  expect([lost.problem?.code, stale.problem?.code]).toEqual(["DATABASE_CONNECTION_LOST", "PLAN_STALE"]);
  expect(applied.code, applied.output).toBe(0);
  expect(seen.filter((each) => ![0, 1, 2, 3].includes(each.code ?? -1)).map((each) => each.output)).toEqual([]);
  const more = ["canary-13-url", "canary-14-ssl", "canary-15-key", "canary-17-other", "canary-19-other", role.password];
  const secrets = forbidden(environment, more);
  for (const ran of seen) expectSilent(`${ran.output} `, secrets, ran.output.slice(0, 200));
  expectSilent(await filesIn(environment.folder), secrets, "the folder of the configuration");
  expectSilent(await textOf(environment.state, ["dbos", "public"]), secrets, "the state database");
  expectSilent(await textOf(environment.target, ["crosswind"]), secrets, "the ledger");
});

test("the embedded state database in .crosswind keeps no secret of either side", async () => {
  await using environment = await anEnvironment({ state: "embedded" });
  await plant(environment);
  await environment.plan();

  const applied = await environment.apply();

  expect(applied.code, applied.output).toBe(0);
  const files = await filesIn(environment.folder);
  expect(files).toContain(environment.target.name);
  expectSilent(files, forbidden(environment, []), "the folder .crosswind");
});
