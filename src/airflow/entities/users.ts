import type { Field, Sql } from "../../domain/entity.ts";
import { always, columns, defineEntity } from "../define-entity.ts";

const LOST =
  "the target has no tables of Flask-AppBuilder: its auth manager is another one; create its people there, or install and migrate the FAB provider first";

const OWN_COUNT = "counts on each side as people sign in there";

/** Airflow's own roles. Source: `EXISTING_ROLES` in airflow.www.security, from 2.7 on in the FAB provider. */
export const OWN_ROLES = "('Admin', 'Viewer', 'User', 'Op', 'Public')";

/**
 * A resource as 3.x calls it, from what 2.x does, and the other way round: `Datasets` are `Assets` in 3.x, where the old name allows nothing. What
 * a plugin has under the other name changes places with it: no two become one, and nobody may do more. Source: airflow.security.permissions up to 2.11,
 * airflow.providers.fab.www.security.permissions from 3.0 on.
 */
export function resourceNamed(name: Sql): Sql {
  return `case ${name} when 'Datasets' then 'Assets' when 'Assets' then 'Datasets' else ${name} end`;
}

/** Who made or changed a user. Empty where that user is not on the target. */
const byUser: Field = { rows: always(), references: "user" };

/** What a pair of names becomes: releases before 2.3 told users apart by the case of their names. */
function isRepeated(user: string): Field["rows"] {
  return [
    {
      in: "<2.3",
      read: `exists (select 1 from ab_user u join ab_user o on lower(o.username) = lower(u.username) and o.id < u.id where u.id = ${user})`,
    },
    { in: ">=2.3", read: "false" },
  ];
}

const repeated = {
  where: "c.is_repeated",
  to: ">=2.3",
  reason: "from 2.3 on names of users do not differ in case alone; the oldest user of a name is copied",
} as const;

/**
 * People, with the hashes of their passwords as they are (werkzeug reads its older methods, too). Ids mean nothing elsewhere.
 * Source: airflow.www.fab_security.sqla.models, from 2.7 on airflow.providers.fab.auth_manager.models; migrations 1.10.13 and 0106 (2.3).
 */
export const user = defineEntity({
  id: "user",
  title: "Users",
  tables: [{ table: "ab_user", isOptional: true }],
  key: ["username"],
  after: [],
  scope: { of: "environment" },
  load: "merge",
  serial: { field: "id", rule: "mapped", sequence: "ab_user_id_seq" },
  leave: [repeated],
  unique: [
    { value: "c.email", name: "email" },
    { value: "lower(c.username)", name: "username, whatever its case" },
  ],
  fields: {
    id: always(),
    ...columns("first_name", "last_name", "username", "active", "email", "created_on", "changed_on"),
    password: { rows: always(), isHidden: true },
    last_login: { rows: always(), compare: { ignore: OWN_COUNT } },
    login_count: { rows: always(), compare: { ignore: OWN_COUNT } },
    fail_login_count: { rows: always(), compare: { ignore: OWN_COUNT } },
    created_by_fk: byUser,
    changed_by_fk: byUser,
    is_repeated: isRepeated("s.id"),
    roles: [
      {
        read: "(select jsonb_agg(r.name order by r.name) from ab_user_role l join ab_role r on r.id = l.role_id where l.user_id = s.id)",
      },
    ],
  },
  parts: [{ field: "roles", entity: "user_role" }],
  lost: LOST,
});

function permissionsOfRole(resource: Sql): Sql {
  return `(select jsonb_agg(p.name || ' on ' || ${resource}) from ab_permission_view_role l
    join ab_permission_view v on v.id = l.permission_view_id join ab_permission p on p.id = v.permission_id
    join ab_view_menu m on m.id = v.view_menu_id where l.role_id = s.id and s.name not in ${OWN_ROLES})`;
}

/**
 * Roles by name. Airflow's own are made where the target has not started yet: what they allow is what its Airflow gives them.
 * Source: `bulk_sync_roles` in the security manager of the FAB provider.
 */
export const role = defineEntity({
  id: "role",
  title: "Roles",
  tables: [{ table: "ab_role", isOptional: true }],
  key: ["name"],
  after: [],
  scope: { of: "environment" },
  load: "merge",
  serial: { field: "id", rule: "mapped", sequence: "ab_role_id_seq" },
  fields: {
    ...columns("id", "name"),
    permissions: [
      // 1.10 calls them otherwise, and they are not copied.
      { in: "<2.0", read: "null::jsonb" },
      {
        in: ">=2.0 <3.0",
        read: permissionsOfRole(resourceNamed("m.name")),
      },
      { in: ">=3.0", read: permissionsOfRole("m.name") },
    ],
  },
  parts: [{ field: "permissions", entity: "role_permission" }],
  lost: LOST,
});

/** The columns of a link to users: the id, and what its user is called. */
const ofUser = {
  user_id: { rows: always(), references: "user", namedBy: "username" },
  username: [{ read: "(select u.username from ab_user u where u.id = s.user_id)" }],
} as const;

/** The columns of a link to roles. */
export const ofRole = {
  role_id: { rows: always(), references: "role", namedBy: "role" },
  role: [{ read: "(select r.name from ab_role r where r.id = s.role_id)" }],
} as const;

/** Which roles a user has. */
export const userRole = defineEntity({
  id: "user_role",
  title: "Roles of users",
  tables: [{ table: "ab_user_role", isOptional: true }],
  key: ["user_id", "role_id"],
  label: ["username", "role"],
  after: ["user", "role"],
  scope: { of: "environment" },
  load: "merge",
  serial: { field: "id", rule: "mapped", sequence: "ab_user_role_id_seq" },
  leave: [repeated],
  fields: { id: always(), ...ofUser, ...ofRole, is_repeated: isRepeated("s.user_id") },
  lost: LOST,
});

const NO_GROUPS = "groups of users need the FAB provider of Airflow 3 on the target, migrated to its newest schema";

/** Groups of users. Source: airflow.providers.fab.auth_manager.models, `Group`. */
export const userGroup = defineEntity({
  id: "user_group",
  title: "Groups of users",
  tables: [{ in: ">=3.0", table: "ab_group", isOptional: true }],
  key: ["name"],
  after: [],
  scope: { of: "environment" },
  load: "merge",
  serial: { field: "id", rule: "mapped", sequence: "ab_group_id_seq" },
  fields: {
    ...columns("id", "name", "label", "description"),
    roles: [
      {
        read: "(select jsonb_agg(r.name order by r.name) from ab_group_role l join ab_role r on r.id = l.role_id where l.group_id = s.id)",
      },
    ],
  },
  parts: [{ field: "roles", entity: "user_group_role" }],
  lost: NO_GROUPS,
});

const ofGroup = {
  group_id: { rows: always(), references: "user_group", namedBy: "group" },
  group: [{ read: "(select g.name from ab_group g where g.id = s.group_id)" }],
} as const;

/** Who is in a group. */
export const userGroupMember = defineEntity({
  id: "user_group_member",
  title: "Users of groups",
  tables: [{ in: ">=3.0", table: "ab_user_group", isOptional: true }],
  key: ["user_id", "group_id"],
  label: ["username", "group"],
  after: ["user", "user_group"],
  scope: { of: "environment" },
  load: "merge",
  serial: { field: "id", rule: "mapped", sequence: "ab_user_group_id_seq" },
  fields: { id: always(), ...ofUser, ...ofGroup },
  lost: NO_GROUPS,
});

/** Which roles a group has. */
export const userGroupRole = defineEntity({
  id: "user_group_role",
  title: "Roles of groups",
  tables: [{ in: ">=3.0", table: "ab_group_role", isOptional: true }],
  key: ["group_id", "role_id"],
  label: ["group", "role"],
  after: ["user_group", "role"],
  scope: { of: "environment" },
  load: "merge",
  serial: { field: "id", rule: "mapped", sequence: "ab_group_role_id_seq" },
  fields: { id: always(), ...ofGroup, ...ofRole },
  lost: NO_GROUPS,
});
