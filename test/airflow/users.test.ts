import { pbkdf2Sync } from "node:crypto";
import { join } from "node:path";
import { expect, test } from "vitest";
import { anEnvironment, type Environment } from "../support/an-environment.ts";
import { ensureAirflow } from "./support/install.ts";
import { pythonFolder } from "./support/paths.ts";
import { run } from "./support/processes.ts";

const FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager";

/** A password as werkzeug keeps it: method, salt and hash. Source: werkzeug.security.generate_password_hash. */
function hashOf(password: string): string {
  const hash = pbkdf2Sync(password, "salt1234", 260_000, 32, "sha256").toString("hex");
  return `pbkdf2:sha256:260000$salt1234$${hash}`;
}

interface Known {
  readonly roles: Readonly<Record<string, readonly string[]>>;
  readonly users: Readonly<Record<string, { readonly id: number; readonly roles: readonly string[] }>>;
  /** By attempt to sign in: let in or not. */
  readonly entered: readonly boolean[];
  /** Ids of what the security manager added itself. */
  readonly added: { readonly user: number; readonly permission: number };
}

async function askSecurityManager(environment: Environment, attempts: readonly (readonly string[])[]): Promise<Known> {
  const install = await ensureAirflow("3.3.2");
  const env = install.env({
    databaseUrl: environment.target.url,
    home: environment.folder,
    fernetKey: environment.variables["TARGET_FERNET_KEY"] ?? "",
    extra: { AIRFLOW__CORE__AUTH_MANAGER: FAB, ATTEMPTS: JSON.stringify(attempts) },
  });
  const output = await run(install.python, [join(pythonFolder, "read_users.py")], { env, cwd: environment.folder });
  return JSON.parse(output.trimEnd().split("\n").at(-1) ?? "") as Known;
}

test("the FAB provider of 3.3.2 lets copied users in, and knows what their roles allow", async () => {
  await using environment = await anEnvironment();
  const { source } = environment;
  await source.query("update ab_user set password = $1 where username = 'zoe'", [hashOf("open sesame")]);
  await source.query(
    `insert into ab_role (id, name) values (10, 'analysts');
     insert into ab_user_role (id, user_id, role_id) values (20, 1, 10);
     insert into ab_permission_view_role (id, permission_view_id, role_id)
       select 30 + v.id, v.id, 10 from ab_permission_view v join ab_view_menu m on m.id = v.view_menu_id where m.name = 'DAG:cw_scheduled'
         or (m.name = 'Datasets' and v.permission_id = (select id from ab_permission where name = 'can_read'))`,
  );
  const allowed = await source.query<{ text: string }>(
    `select replace(p.name, '_', ' ') || ' on ' || replace(m.name, 'Datasets', 'Assets') as text from ab_permission_view_role l
     join ab_permission_view v on v.id = l.permission_view_id join ab_permission p on p.id = v.permission_id
     join ab_view_menu m on m.id = v.view_menu_id where l.role_id = 10 order by 1`,
  );
  await environment.plan();
  expect(await environment.apply()).toMatchObject({ code: 0 });

  const known = await askSecurityManager(environment, [
    ["zoe", "open sesame"],
    ["zoe", "open barley"],
  ]);
  const verified = await environment.run(["verify", "--json"]);

  expect(known.entered).toEqual([true, false]);
  expect(known.users["zoe"]?.roles).toEqual(["Admin", "analysts", "seed_role"]);
  expect(allowed.length).toBeGreaterThan(0);
  // It lets every role read the web site.
  expect(known.roles["analysts"]).toEqual([...allowed.map((row) => row.text), "can read on Website"].toSorted());
  // A role of Airflow's own that we made by name alone has got what the target's Airflow gives it.
  expect(known.roles["Admin"]?.length).toBeGreaterThan(50);
  expect(known.added.user).toBeGreaterThan(known.users["zoe"]?.id ?? 0);
  // It counted the sign-ins: that is the target's own from now on.
  expect(verified, verified.output).toMatchObject({ code: 0 });
});
