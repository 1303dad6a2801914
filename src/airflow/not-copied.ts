import { isInRange, type Range, type Release } from "../domain/release.ts";

/**
 * Why a table is not copied. `derived`: the target makes it again. `live`: work in progress of one environment. `transient`: tokens and signs
 * of life. `users`: people and what they may do. `left-over`: of an older release, still there after an upgrade, used by nobody.
 * `schema`: Airflow's record of its own migrations.
 */
export type NotCopiedClass = "derived" | "live" | "transient" | "users" | "left-over" | "schema";

/** A table that no entity covers, and why. A name that ends in `*` stands for every table that begins like it. */
export interface NotCopied {
  readonly table: string;
  readonly in?: Range;
  readonly class: NotCopiedClass;
  /** A sentence for the plan. */
  readonly reason: string;
}

interface Group {
  readonly in?: Range;
  readonly class: NotCopiedClass;
  readonly reason: string;
  readonly tables: readonly string[];
}

/** Source: the models of each release, and databases that were upgraded from 1.10 and 2.x. */
const groups: readonly Group[] = [
  {
    class: "derived",
    reason: "the target's DAG processor writes it when it parses the DAG files",
    tables: ["serialized_dag", "dag_code", "dag_tag", "dag_owner_attributes", "dag_warning", "import_error"],
  },
  {
    class: "derived",
    in: "<3.0",
    reason: "a copy of DAG code as a pickle, which Airflow 3 dropped",
    tables: ["dag_pickle"],
  },
  {
    class: "derived",
    in: ">=3.0",
    reason: "versions of DAGs are the target's own: its DAG processor makes them with the code it finds",
    tables: ["dag_version"],
  },
  {
    class: "derived",
    in: ">=3.0 <3.1",
    reason: "the target's configuration says what its bundles are",
    tables: ["dag_bundle"],
  },
  {
    class: "derived",
    in: ">=2.4 <3.0",
    reason: "the target's DAG processor works it out from the DAG files",
    tables: ["dag_schedule_dataset_reference", "task_outlet_dataset_reference"],
  },
  {
    class: "derived",
    in: ">=2.10 <3.0",
    reason: "the target's DAG processor works it out from the DAG files",
    tables: [
      "dataset_alias",
      "dataset_alias_dataset",
      "dataset_alias_dataset_event",
      "dag_schedule_dataset_alias_reference",
    ],
  },
  {
    class: "derived",
    in: ">=3.0",
    reason: "the target's DAG processor works it out from the DAG files",
    tables: [
      "asset_active",
      "asset_alias",
      "asset_alias_asset",
      "asset_alias_asset_event",
      "dag_schedule_asset_reference",
      "dag_schedule_asset_alias_reference",
      "dag_schedule_asset_name_reference",
      "dag_schedule_asset_uri_reference",
      "task_outlet_asset_reference",
    ],
  },
  {
    class: "derived",
    in: ">=3.1",
    reason: "the target's DAG processor works it out from the DAG files",
    tables: ["task_inlet_asset_reference"],
  },
  {
    class: "derived",
    in: ">=3.0 <3.2",
    reason: "the target's DAG processor works it out from the DAG files",
    tables: ["asset_trigger"],
  },
  {
    class: "derived",
    in: ">=3.2",
    reason: "the target's DAG processor works it out from the DAG files",
    tables: ["asset_watcher", "deadline_alert"],
  },
  {
    class: "live",
    in: ">=2.2",
    reason:
      "a wait of a deferred task that is still running: unfinished runs come with the cutover and start their tasks anew",
    tables: ["trigger"],
  },
  {
    class: "live",
    in: ">=2.4 <3.0",
    reason: "a row can start a run at once: what a DAG has seen of the events that it waits for goes with its cutover",
    tables: ["dataset_dag_run_queue"],
  },
  {
    class: "live",
    in: ">=3.0",
    reason: "a row can start a run at once: what a DAG has seen of the events that it waits for goes with its cutover",
    tables: ["asset_dag_run_queue"],
  },
  {
    class: "live",
    in: ">=3.2",
    reason: "partitions that are still collecting their events can start a run at once: they stay with the source",
    tables: ["asset_partition_dag_run", "partitioned_asset_key_log"],
  },
  {
    class: "live",
    in: ">=2.3 <3.2",
    reason: "a callback that waits to be run by the source; the genuine upgrade to 3.2 deletes them, too",
    tables: ["callback_request"],
  },
  { class: "live", in: ">=3.2", reason: "a callback that waits to be run by the source", tables: ["callback"] },
  {
    class: "live",
    in: ">=3.0",
    reason: "a deadline is watched while its run goes on; runs that are copied are finished",
    tables: ["deadline"],
  },
  {
    class: "live",
    in: ">=2.10",
    reason: "a request to parse a file soon, for the DAG processor of the source",
    tables: ["dag_priority_parsing_request"],
  },
  {
    class: "live",
    in: ">=2.0 <2.4",
    reason: "work of smart sensors, which 2.4 dropped",
    tables: ["sensor_instance"],
  },
  { class: "transient", reason: "a sign of life of a process on the source", tables: ["job"] },
  {
    class: "transient",
    in: "<2.0",
    reason: "bookkeeping of the Kubernetes executor's watcher on the source",
    tables: ["kube_resource_version", "kube_worker_uuid"],
  },
  {
    class: "transient",
    in: ">=2.2",
    reason: "a browser's session: people sign in again",
    tables: ["session"],
  },
  {
    class: "transient",
    in: ">=3.2",
    reason: "tokens that were signed with the source's secret",
    tables: ["revoked_token"],
  },
  {
    class: "transient",
    in: ">=3.3",
    reason: "a test of a connection that is under way, with its password",
    tables: ["connection_test_request"],
  },
  {
    class: "users",
    reason: "people who asked for an account and have none yet: the link in their mail is the source's",
    tables: ["ab_register_user"],
  },
  {
    class: "left-over",
    reason: "people of the user interface before roles, which 1.10 replaced",
    tables: ["users"],
  },
  {
    class: "left-over",
    reason: "of a part of the user interface that 2.0 dropped",
    tables: ["chart", "known_event", "known_event_type"],
  },
  {
    class: "left-over",
    in: ">=3.0",
    reason: "left by an upgrade: Airflow 3 has no service levels",
    tables: ["sla_miss"],
  },
  {
    class: "left-over",
    in: ">=3.0",
    reason: "values that the genuine upgrade could not take over and put aside",
    tables: ["_xcom_archive"],
  },
  { class: "left-over", reason: "rows that a genuine upgrade put aside", tables: ["_airflow_moved__*"] },
  {
    class: "schema",
    reason: "the target's own Airflow makes its schema",
    tables: ["alembic_version", "alembic_version_fab"],
  },
];

/** Every table that no entity covers. */
export const notCopied: readonly NotCopied[] = groups.flatMap(({ tables, ...rest }) =>
  tables.map((table) => ({ table, ...rest })),
);

function names(row: NotCopied, table: string): boolean {
  return row.table.endsWith("*") ? table.startsWith(row.table.slice(0, -1)) : row.table === table;
}

/** Why a table of a release is not copied, or undefined for a table that is copied or that nobody decided about. */
export function whyNotCopied(table: string, release: Release): NotCopied | undefined {
  return notCopied.find((row) => names(row, table) && isInRange(release, row.in));
}
