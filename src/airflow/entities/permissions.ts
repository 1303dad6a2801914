import type { Field, Sql } from "../../domain/entity.ts";
import { always, columns, defineEntity } from "../define-entity.ts";
import { OWN_ROLES, ofRole, resourceNamed } from "./users.ts";

const LOST =
  "the target has no tables of Flask-AppBuilder: its auth manager is another one; say there what people may do, or install and migrate the FAB provider first";

/** 1.10 says `can_dagrun_success` on `Airflow` where 2.0 says `can_edit` on `DAG Runs`: the one says nothing to the other. */
const isOf110: Field["rows"] = [
  { in: "<2.0", read: "true" },
  { in: ">=2.0", read: "false" },
];

const otherNames = [
  {
    where: "c.is_of_1_10",
    to: ">=2.0",
    reason: "1.10 calls permissions otherwise: give its own roles their permissions on the target",
  },
  {
    where: "not c.is_of_1_10",
    to: "<2.0",
    reason: "1.10 calls permissions otherwise: give its own roles their permissions on the target",
  },
] as const;

/** True where a role that is not Airflow's own has a permission that `where` speaks of; `v` is the permission, `l` its link to the role. */
function isUsed(where: Sql): Field["rows"] {
  return [
    {
      read: `exists (select 1 from ab_permission_view v join ab_permission_view_role l on l.permission_view_id = v.id
        join ab_role r on r.id = l.role_id where ${where} and r.name not in ${OWN_ROLES})`,
    },
  ];
}

/** What the resource `m` of a link is called. */
function ofResource(from: Sql): Field["rows"] {
  return [
    { in: "<3.0", read: `(select ${resourceNamed("m.name")} from ${from})` },
    { in: ">=3.0", read: `(select m.name from ${from})` },
  ];
}

const unused = {
  where: "not c.is_used",
  reason: "only Airflow's own roles have such permissions: the target's Airflow makes what these need",
} as const;

/** What may be done: `can_read`. Source: `Action` of the FAB models. */
export const permissionAction = defineEntity({
  id: "permission_action",
  title: "Actions of permissions",
  tables: [{ table: "ab_permission", isOptional: true }],
  key: ["name"],
  after: [],
  scope: { of: "environment" },
  load: "merge",
  serial: { field: "id", rule: "mapped", sequence: "ab_permission_id_seq" },
  leave: [...otherNames, unused],
  fields: { ...columns("id", "name"), is_of_1_10: isOf110, is_used: isUsed("v.permission_id = s.id") },
  lost: LOST,
});

/** With what it may be done: `DAGs`, `DAG:etl`. Source: `Resource` of the FAB models. */
export const permissionResource = defineEntity({
  id: "permission_resource",
  title: "Resources of permissions",
  tables: [{ table: "ab_view_menu", isOptional: true }],
  key: ["name"],
  after: [],
  scope: { of: "environment" },
  load: "merge",
  serial: { field: "id", rule: "mapped", sequence: "ab_view_menu_id_seq" },
  leave: [...otherNames, unused],
  fields: {
    id: always(),
    name: [
      { in: "<3.0", column: true, read: resourceNamed("s.name"), write: resourceNamed("c.name") },
      { in: ">=3.0", column: true },
    ],
    is_of_1_10: isOf110,
    is_used: isUsed("v.view_menu_id = s.id"),
  },
  lost: LOST,
});

/** An action with a resource. Source: `Permission` of the FAB models. */
export const permission = defineEntity({
  id: "permission",
  title: "Permissions",
  tables: [{ table: "ab_permission_view", isOptional: true }],
  key: ["permission_id", "view_menu_id"],
  label: ["action", "resource"],
  after: ["permission_action", "permission_resource"],
  scope: { of: "environment" },
  load: "merge",
  serial: { field: "id", rule: "mapped", sequence: "ab_permission_view_id_seq" },
  leave: [
    ...otherNames,
    unused,
    {
      where: "c.permission_id is null or c.view_menu_id is null",
      reason: "a permission without an action or a resource, which allows nothing",
    },
  ],
  fields: {
    id: always(),
    permission_id: { rows: always(), references: "permission_action", namedBy: "action" },
    view_menu_id: { rows: always(), references: "permission_resource", namedBy: "resource" },
    action: [{ read: "(select p.name from ab_permission p where p.id = s.permission_id)" }],
    resource: ofResource("ab_view_menu m where m.id = s.view_menu_id"),
    is_of_1_10: isOf110,
    is_used: isUsed("v.id = s.id"),
  },
  lost: LOST,
});

/** Which permissions a role has. */
export const rolePermission = defineEntity({
  id: "role_permission",
  title: "Permissions of roles",
  tables: [{ table: "ab_permission_view_role", isOptional: true }],
  key: ["role_id", "permission_view_id"],
  label: ["role", "action", "resource"],
  after: ["permission", "role"],
  scope: { of: "environment" },
  load: "merge",
  serial: { field: "id", rule: "mapped", sequence: "ab_permission_view_role_id_seq" },
  leave: [
    ...otherNames,
    {
      where: `c.role in ${OWN_ROLES}`,
      reason: "Airflow's own roles may do what the target's Airflow lets them do",
    },
  ],
  fields: {
    id: always(),
    permission_view_id: { rows: always(), references: "permission" },
    ...ofRole,
    action: [
      {
        read: "(select p.name from ab_permission_view v join ab_permission p on p.id = v.permission_id where v.id = s.permission_view_id)",
      },
    ],
    resource: ofResource(
      "ab_permission_view v join ab_view_menu m on m.id = v.view_menu_id where v.id = s.permission_view_id",
    ),
    is_of_1_10: isOf110,
  },
  lost: LOST,
});
