import type { Session } from "../../src/ports/database.ts";
import { recordedSchema } from "./recorded-schemas.ts";
import { insertRow } from "./rows.ts";

const schema = recordedSchema("3.3.2");

function uuid(kind: number, number: number): string {
  return `01900000-0000-7000-8${String(kind).padStart(3, "0")}-${String(number).padStart(12, "0")}`;
}

/** Rows of a number, by table, in the order of their foreign keys. Ids are not those that a fresh database would give. */
function rowsOf(n: number): Readonly<Record<string, Readonly<Record<string, unknown>>>> {
  const [dag_id, run_id, at] = [`dag_${n}`, `run_${n}`, new Date(Date.UTC(2026, 0, n, 1, 2, 3, 456))];
  const task = { dag_id, run_id, task_id: "ask", map_index: -1 };
  return {
    team: { name: `team_${n}` },
    ab_user: { id: 20 - n, username: `user_${n}`, email: `user_${n}@example.com` },
    ab_role: { id: 50 - n, name: `role_${n}` },
    ab_group: { id: 80 - n, name: `group_${n}` },
    ab_user_group: { id: 10 + n, user_id: 20 - n, group_id: 80 - n },
    ab_group_role: { id: 10 + n, group_id: 80 - n, role_id: 50 - n },
    dag_bundle: { name: `bundle_${n}`, active: true },
    dag_bundle_team: { dag_bundle_name: `bundle_${n}`, team_name: `team_${n}` },
    dag: { dag_id, bundle_name: `bundle_${n}` },
    dag_favorite: { user_id: `user_${n}`, dag_id },
    asset: { id: 70 - n, name: `asset_${n}`, uri: `s3://asset/${n}`, group: "asset" },
    backfill: { id: 40 + n, dag_id, from_date: at, to_date: at, dag_run_conf: { n }, completed_at: at },
    dag_run: { id: 90 + n, dag_id, run_id, state: "success", run_type: "manual", logical_date: at, run_after: at },
    backfill_dag_run: { id: 60 + n, backfill_id: 40 + n, dag_run_id: 90 + n, logical_date: at, sort_ordinal: n },
    task_instance: { ...task, id: uuid(1, n), state: "success" },
    task_instance_history: { ...task, task_instance_id: uuid(2, n), try_number: 1, state: "failed" },
    hitl_detail: { ti_id: uuid(1, n), subject: `subject ${n}`, options: '["yes"]' },
    hitl_detail_history: { ti_history_id: uuid(2, n), subject: `subject ${n}`, options: '["no"]' },
    task_state_store: { id: 30 + n, ...task, dag_run_id: 90 + n, key: "k", value: `${n}` },
    asset_state_store: { asset_id: 70 - n, key: "k", value: `${n}` },
  };
}

/** Fills an empty database of 3.3.2 with rows of what only Airflow 3 keeps. */
export async function fillAirflow3(session: Session): Promise<void> {
  for (const n of [1, 2, 3]) {
    for (const [table, row] of Object.entries(rowsOf(n))) await insertRow(session, { schema, table }, row);
  }
}
