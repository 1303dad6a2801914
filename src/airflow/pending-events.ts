import type { Sql } from "../domain/entity.ts";
import { isInRange, type Range, type Release } from "../domain/release.ts";

/** Where a release keeps, by DAG, the assets that have had an event since its last run. */
interface Queue {
  readonly in: Range;
  readonly table: string;
  readonly assets: string;
  readonly assetId: string;
  /** Assets had no names of their own before 3.0. */
  readonly name: Sql;
  /** Which DAG waits for which asset. */
  readonly references: string;
}

/** Source: airflow.models.asset, `AssetDagRunQueue` and `DagScheduleAssetReference`; up to 2.11 airflow.models.dataset. */
const QUEUES: readonly Queue[] = [
  {
    in: ">=2.4 <3.0",
    table: "dataset_dag_run_queue",
    assets: "dataset",
    assetId: "dataset_id",
    name: "null::text",
    references: "dag_schedule_dataset_reference",
  },
  {
    in: ">=3.0",
    table: "asset_dag_run_queue",
    assets: "asset",
    assetId: "asset_id",
    name: "a.name",
    references: "dag_schedule_asset_reference",
  },
];

function queueOf(release: Release): Queue | undefined {
  return QUEUES.find((queue) => isInRange(release, queue.in));
}

/** Events that the DAG `$1` has seen of those that it waits for: `uri`, `name`, `created_at`. Undefined before 2.4. */
export function pendingEventsSql(release: Release): Sql | undefined {
  const queue = queueOf(release);
  if (queue === undefined) return undefined;
  const { table, assets, assetId, name } = queue;
  return `select a.uri, ${name} as name, q.created_at from ${table} q join ${assets} a on a.id = q.${assetId} where q.target_dag_id = $1 order by 1, 2`;
}

/** Numbers of the assets that the DAG has seen an event of; `dag` is an SQL literal. Undefined before 2.4. */
export function pendingAssets(release: Release, dag: Sql): Sql | undefined {
  const queue = queueOf(release);
  return queue && `select q.${queue.assetId} from ${queue.table} q where q.target_dag_id = ${dag}`;
}

/** How to make a DAG have seen events; `$1`: the DAG, `$2` to `$4`: URIs, names where they are known, and times. */
interface SettlePending {
  /** Whether the DAG has seen others, too. */
  readonly findOthers: Sql;
  readonly removeOthers: Sql;
  readonly add: Sql;
}

/**
 * Statements that settle what a DAG has seen. Of several assets with one URI it is the one of that name, else the one that the DAG waits for. Undefined
 * before 2.4.
 */
export function settlePendingSql(release: Release): SettlePending | undefined {
  const queue = queueOf(release);
  if (queue === undefined) return undefined;
  const { table, assets, assetId, name, references } = queue;
  const isReferred = `exists (select 1 from ${references} r where r.${assetId} = a.id and r.dag_id = $1)`;
  const wanted = `(select one.id, min(one.created_at) as created_at from (
      select distinct on (u.uri, u.name) a.id, u.created_at
      from unnest($2::text[], $3::text[], $4::timestamptz[]) u(uri, name, created_at) join ${assets} a on a.uri = u.uri
      where exists (select 1 from dag d where d.dag_id = $1)
      order by u.uri, u.name, coalesce(${name} = u.name, false) desc, ${isReferred} desc, a.id) one
    group by one.id)`;
  const others = `from ${table} q where q.target_dag_id = $1 and q.${assetId} not in (select w.id from ${wanted} w)`;
  return {
    findOthers: `select 1 ${others} limit 1`,
    removeOthers: `delete ${others}`,
    add: `insert into ${table} as q (${assetId}, target_dag_id, created_at) select w.id, $1, w.created_at from ${wanted} w
      on conflict (${assetId}, target_dag_id) do update set created_at = excluded.created_at where q.created_at <> excluded.created_at`,
  };
}
