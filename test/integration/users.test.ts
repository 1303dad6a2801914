import { expect, test } from "vitest";
import { openPostgres } from "../../src/databases/postgres/postgres.ts";
import { Secret } from "../../src/domain/secret.ts";
import { fillAirflow3 } from "../support/airflow-3-rows.ts";
import { anEnvironment, type Environment, type OpenDatabase } from "../support/an-environment.ts";

/** As werkzeug writes it; of no password. */
const HASH = "scrypt:32768:8:1$salt$0123456789abcdef";

interface Person {
  readonly id: number;
  readonly name: string;
  readonly email?: string;
  readonly password?: string;
}

/** A user under an id that no sequence gave. */
async function addUser(database: OpenDatabase, person: Person): Promise<void> {
  const { id, name, email = `${name}@example.com`, password = HASH } = person;
  await database.query(
    `insert into ab_user (id, first_name, last_name, username, password, active, email, login_count, created_on, changed_on)
     values ($1, 'First', 'Last', $2, $3, true, $4, 3, '2026-01-02', '2026-01-03')`,
    [id, name, password, email],
  );
}

async function usersOf(database: OpenDatabase) {
  return await database.query(
    `select u.id, u.username, u.password, u.login_count, c.username as creator,
       array(select r.name from ab_user_role l join ab_role r on r.id = l.role_id where l.user_id = u.id order by 1)::text[] as roles
     from ab_user u left join ab_user c on c.id = u.created_by_fk order by u.username`,
  );
}

async function permissionsOf(database: OpenDatabase) {
  const rows = await database.query<{ text: string }>(
    `select r.name || ': ' || p.name || ' on ' || m.name as text from ab_permission_view_role l join ab_role r on r.id = l.role_id
     join ab_permission_view v on v.id = l.permission_view_id join ab_permission p on p.id = v.permission_id
     join ab_view_menu m on m.id = v.view_menu_id order by 1`,
  );
  return rows.map((row) => row.text);
}

/** The recorded source has zoe (Admin and seed_role). Here are bob, whom carol made, and carol, whom the target knows under another id. */
async function aPairWithPeople(): Promise<Environment> {
  const environment = await anEnvironment();
  const { source, target } = environment;
  await addUser(source, { id: 7, name: "bob" });
  await addUser(source, { id: 9, name: "carol" });
  await source.query(
    `update ab_user set created_by_fk = 9, changed_by_fk = 1 where id = 7;
     insert into ab_role (id, name) values (10, 'analysts'), (11, 'Viewer');
     insert into ab_user_role (id, user_id, role_id) values (20, 7, 10), (21, 9, 11), (22, null, 11);
     insert into ab_permission_view_role (id, permission_view_id, role_id) values (30, 74, 10), (31, 75, 10), (32, 76, 1);
     update dag_run_note set user_id = 9`,
  );
  await addUser(target, { id: 1, name: "theirs" });
  await addUser(target, { id: 2, name: "carol" });
  await target.query(
    `insert into ab_role (id, name) values (1, 'Viewer');
     insert into ab_user_role (id, user_id, role_id) values (1, 2, 1);
     insert into ab_permission (id, name) values (1, 'menu_access')`,
  );
  return environment;
}

test("users, roles and what a custom role allows get the target's own ids, and notes keep their user", async () => {
  await using environment = await aPairWithPeople();
  const { source, target } = environment;

  const planned = await environment.plan();
  const applied = await environment.apply();
  const verified = await environment.run(["verify", "--json"]);

  expect(planned.blockers).toEqual([]);
  expect(planned.entity("user")).toMatchObject({ sourceRows: 3, toCopy: 3 });
  expect(planned.entity("user_role").leftBehind).toEqual([
    { rows: 1, reason: "the target has no user that they could belong to" },
  ]);
  expect(planned.entity("role_permission").leftBehind).toEqual([
    { rows: 1, reason: "Airflow's own roles may do what the target's Airflow lets them do" },
  ]);
  expect(applied, applied.output).toMatchObject({ code: 0 });
  expect(verified, verified.output).toMatchObject({ code: 0 });
  const user = { password: HASH, login_count: 3, creator: null };
  expect(await usersOf(target)).toEqual([
    { ...user, id: expect.any(Number), username: "bob", creator: "carol", roles: ["analysts"] },
    { ...user, id: 2, username: "carol", roles: ["Viewer"] },
    { ...user, id: 1, username: "theirs", roles: [] },
    {
      id: expect.any(Number),
      username: "zoe",
      password: "scrypt:32768:8:1$seed$00",
      login_count: null,
      creator: null,
      roles: ["Admin", "seed_role"],
    },
  ]);
  const custom = (await permissionsOf(source)).filter((each) => !each.startsWith("Admin:"));
  expect(await permissionsOf(target)).toEqual(custom);
  expect(custom.length).toBe(3);
  expect(await target.query("select distinct user_id from dag_run_note")).toEqual([{ user_id: "2" }]);
  const [next] = await target.query(
    "select nextval('ab_user_id_seq')::int > max(id) as is_free from ab_user group by ()",
  );
  expect(next).toEqual({ is_free: true });
});

test("a second copy changes nothing, and brings who is new and whom they were made by", async () => {
  await using environment = await aPairWithPeople();
  const { source, target } = environment;
  await environment.plan();
  expect(await environment.apply()).toMatchObject({ code: 0 });
  const before = await usersOf(target);
  await addUser(source, { id: 12, name: "dora" });
  await source.query("update ab_user set created_by_fk = 7 where id = 12");

  const planned = await environment.plan();
  const applied = await environment.apply();
  const verified = await environment.run(["verify", "--json"]);

  expect(planned.blockers).toEqual([]);
  expect(applied, applied.output).toMatchObject({ code: 0 });
  expect(verified, verified.output).toMatchObject({ code: 0 });
  const after = await usersOf(target);
  expect(after.filter((each) => each["username"] !== "dora")).toEqual(before);
  expect(after.find((each) => each["username"] === "dora")).toMatchObject({ creator: "bob" });
});

test("a user of the target that differs stays with its own roles, or becomes the source's", async () => {
  await using environment = await aPairWithPeople();
  const { target } = environment;
  const theirs = `${HASH}0`;
  await target.query("update ab_user set password = $1 where username = 'carol'", [theirs]);
  await target.query("delete from ab_user_role");

  const stopped = await environment.plan();
  const kept = await environment.plan(["--on-conflict", "user=keep-target"]);
  const applied = await environment.apply();
  const verified = await environment.run(["verify", "--json"]);
  const carolKept = (await usersOf(target)).find((each) => each["username"] === "carol");
  const replaced = await environment.plan(["--on-conflict", "user=replace"]);
  const appliedAgain = await environment.apply();

  expect(stopped.blockers).toMatchObject([
    { code: "TARGET_HAS_OTHER_OBJECT", entity: "user", subjects: ["user:carol"] },
  ]);
  expect(stopped.blockers[0]?.what).toContain("differs in password, roles");
  expect(stopped.output).not.toContain(HASH);
  expect(kept.entity("user_role").leftBehind).toContainEqual({
    rows: 1,
    reason: "their user stays as it is on the target",
  });
  expect(applied, applied.output).toMatchObject({ code: 0 });
  expect(verified, verified.output).toMatchObject({ code: 0 });
  expect(carolKept).toMatchObject({ id: 2, password: theirs, roles: [] });
  expect(replaced.blockers).toEqual([]);
  expect(appliedAgain, appliedAgain.output).toMatchObject({ code: 0 });
  const carolReplaced = (await usersOf(target)).find((each) => each["username"] === "carol");
  expect(carolReplaced).toMatchObject({ id: 2, password: HASH, roles: ["Viewer"] });
});

test("nobody on the target may do more than before unless the plan says so", async () => {
  await using environment = await aPairWithPeople();
  const { target } = environment;
  await target.query(
    `delete from ab_user_role;
     insert into ab_role (id, name) values (2, 'analysts');
     insert into ab_user_role (id, user_id, role_id) values (2, 1, 2)`,
  );

  const stopped = await environment.plan();
  const choices = ["--on-conflict", "user=replace", "--on-conflict", "role=keep-target"];
  const planned = await environment.plan(choices);
  const applied = await environment.apply();
  const verified = await environment.run(["verify", "--json"]);

  expect(stopped.blockers).toMatchObject([
    { entity: "user", subjects: ["user:carol"] },
    { entity: "role", subjects: ["role:analysts"] },
  ]);
  expect(stopped.blockers.map((each) => /differs in (.*)\)/.exec(each.what)?.[1])).toEqual(["roles", "permissions"]);
  expect(planned.blockers).toEqual([]);
  expect(applied, applied.output).toMatchObject({ code: 0 });
  expect(verified, verified.output).toMatchObject({ code: 0 });
  expect((await permissionsOf(target)).filter((each) => each.startsWith("analysts"))).toEqual([]);
  const roles = (await usersOf(target)).map((each) => [each["username"], each["roles"]]);
  expect(roles).toContainEqual(["bob", ["analysts"]]);
  expect(roles).toContainEqual(["carol", ["Viewer"]]);
});

test("an address or a name in other letters that somebody else has on the target is told before anything is written", async () => {
  await using environment = await anEnvironment();
  const { source, target } = environment;
  await addUser(source, { id: 7, name: "bob" });
  await addUser(source, { id: 9, name: "carol" });
  await addUser(target, { id: 1, name: "robert", email: "bob@example.com" });
  await addUser(target, { id: 2, name: "Carol", email: "other@example.com" });

  const stopped = await environment.plan();
  const replaced = await environment.plan(["--on-conflict", "user=replace"]);
  const kept = await environment.plan(["--on-conflict", "user=keep-target"]);
  const applied = await environment.apply();
  const verified = await environment.run(["verify", "--json"]);

  expect(stopped.blockers).toMatchObject([
    { code: "TARGET_HAS_VALUE", entity: "user", count: 2, subjects: ["user:bob", "user:carol"] },
  ]);
  expect(stopped.blockers[0]?.what).toContain("bob (its email is that of robert)");
  expect(replaced.blockers).toMatchObject([{ code: "TARGET_HAS_VALUE" }]);
  expect(kept.blockers).toEqual([]);
  expect(applied, applied.output).toMatchObject({ code: 0 });
  expect(verified, verified.output).toMatchObject({ code: 0 });
  expect((await usersOf(target)).map((each) => each["username"])).toEqual(["Carol", "robert", "zoe"]);
});

test("a target without Flask-AppBuilder gets no users: the plan says so of each kind, and notes lose theirs", async () => {
  await using environment = await anEnvironment();
  const { source, target } = environment;
  await source.query("update dag_run_note set user_id = 1");
  const tables = await target.query<{ name: string }>(
    "select tablename as name from pg_tables where schemaname = 'public' and (tablename like 'ab\\_%' or tablename = 'alembic_version_fab')",
  );
  await target.query(`drop table ${tables.map((each) => each.name).join(", ")} cascade`);

  const planned = await environment.plan();
  const applied = await environment.apply();
  const verified = await environment.run(["verify", "--json"]);

  expect(planned.blockers).toEqual([]);
  expect(planned.entity("user")).toMatchObject({ sourceRows: 1, toCopy: 0, leftBehind: [{ rows: 1 }] });
  expect(planned.entity("user").leftBehind[0]?.reason).toContain("install and migrate the FAB provider");
  const lost = planned.findings.filter((each) => each.code === "FIELD_LOST").map((each) => each.entity);
  expect(lost).toContain("dag_run_note");
  expect(applied, applied.output).toMatchObject({ code: 0 });
  expect(verified, verified.output).toMatchObject({ code: 0 });
  expect(await target.query("select distinct user_id from dag_run_note")).toEqual([{ user_id: null }]);
});

test("names of other auth managers stay what they are between two environments without Flask-AppBuilder", async () => {
  await using environment = await anEnvironment({ source: "airflow-3.3.2-empty" });
  const { source, target } = environment;
  for (const database of [source, target]) {
    const tables = await database.query<{ name: string }>(
      "select tablename as name from pg_tables where schemaname = 'public' and tablename like 'ab\\_%'",
    );
    await database.query(`drop table ${tables.map((each) => each.name).join(", ")} cascade`);
  }
  await source.query(
    `insert into dag_bundle (name, active) values ('b', true);
     insert into dag (dag_id, bundle_name, is_paused, is_stale, timetable_type, partition_mapper_info, max_active_tasks,
       max_consecutive_failed_dag_runs, has_task_concurrency_limits) values ('d', 'b', true, false, '', '{}', 1, 0, false);
     insert into dag_favorite (user_id, dag_id) values ('anna', 'd'), ('7', 'd')`,
  );

  const planned = await environment.plan();
  const applied = await environment.apply();

  expect(planned.blockers).toEqual([]);
  expect(applied, applied.output).toMatchObject({ code: 0 });
  expect(await target.query("select user_id from dag_favorite order by 1")).toEqual([
    { user_id: "7" },
    { user_id: "anna" },
  ]);
});

test("people whom a question names by their number are those of the target, and are known by name where it has none", async () => {
  await using environment = await anEnvironment({ source: "airflow-3.3.2-empty" });
  const { source, target } = environment;
  await using database = openPostgres({ url: new Secret(source.url), name: "source" });
  await using session = await database.session();
  await fillAirflow3(session);
  // The target numbers people otherwise.
  await addUser(target, { id: 19, name: "theirs" });
  await addUser(target, { id: 30, name: "theirs too" });
  await target.query("select setval('ab_user_id_seq', 40)");
  const asked = [
    { id: "19", name: "user_1" },
    { id: "99", name: "gonë" },
    { id: "zoe", name: "zoe" },
  ];
  await source.query(
    `update hitl_detail set assignees = '${JSON.stringify(asked)}', responded_by = '{"name": "user_2", "id": "18"}';
     update hitl_detail_history set assignees = '[{"id":"ann","name":"ann"}]'`,
  );

  await environment.plan();
  const applied = await environment.apply();
  const verified = await environment.run(["verify", "--json"]);

  expect(applied, applied.output).toMatchObject({ code: 0 });
  expect(verified, verified.output).toMatchObject({ code: 0 });
  const users = await target.query<{ id: string; username: string }>("select id::text, username from ab_user");
  const id = (name: string) => users.find((each) => each.username === name)?.id;
  expect(Number(id("user_1"))).toBeGreaterThan(40);
  expect(
    await target.query("select distinct assignees::jsonb as a, responded_by::jsonb as r from hitl_detail"),
  ).toEqual([
    {
      a: [{ ...asked[0], id: id("user_1") }, { ...asked[1], id: "gonë" }, asked[2]],
      r: { id: id("user_2"), name: "user_2" },
    },
  ]);
  expect(await target.query("select distinct assignees::text as a from hitl_detail_history")).toEqual([
    { a: '[{"id":"ann","name":"ann"}]' },
  ]);
});

test("verify tells a changed hash without showing either", async () => {
  await using environment = await aPairWithPeople();
  await environment.plan();
  expect(await environment.apply()).toMatchObject({ code: 0 });
  await environment.target.query("update ab_user set password = 'pbkdf2:changed' where username = 'bob'");

  const verified = await environment.run(["verify", "--json"]);

  expect(verified.code).not.toBe(0);
  expect(verified.output).toContain("bob");
  expect(verified.output).toMatch(/"column":\s*"password",\s*"source":\s*"digest [0-9a-f]{16}"/);
  expect(verified.output).not.toContain(HASH);
  expect(verified.output).not.toContain("pbkdf2:changed");
});
