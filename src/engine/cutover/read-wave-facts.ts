import { SECOND } from "../../airflow/timetables/micros.ts";
import { readSchedule } from "../../airflow/timetables/read-schedule.ts";
import { isJson, type Json, unwrap } from "../../airflow/timetables/read-timetable.ts";
import { tickPeriod } from "../../airflow/timetables/ticks.ts";
import type { Micros } from "../../airflow/timetables/timetable.ts";
import { isInRange, type Range, type Release } from "../../domain/release.ts";
import type { Session } from "../../ports/database.ts";
import { readSerializedDags } from "./read-serialized.ts";
import { type AssetUse, assetTies, type OpenTie, type PoolUse, poolTies, type Tie, tiesOf } from "./ties.ts";
import type { DagRisk } from "./waves.ts";

/** What waves are made from, as the source's database has it. */
export interface WaveFacts {
  readonly dags: readonly DagRisk[];
  readonly ties: readonly Tie[];
  readonly open: readonly OpenTie[];
}

export interface WaveFactsOptions {
  readonly release: Release;
  readonly now: Micros;
  /** Failures of runs that ended in so many days before now. */
  readonly days: number;
}

interface AssetTables {
  readonly in: Range;
  readonly asset: string;
  readonly produced: string;
  readonly consumed: string;
  readonly id: string;
}

const ASSET_TABLES: readonly AssetTables[] = [
  {
    in: ">=2.4 <3.0",
    asset: "dataset",
    produced: "task_outlet_dataset_reference",
    consumed: "dag_schedule_dataset_reference",
    id: "dataset_id",
  },
  {
    in: ">=3.0",
    asset: "asset",
    produced: "task_outlet_asset_reference",
    consumed: "dag_schedule_asset_reference",
    id: "asset_id",
  },
];

/** Tags of the owner's word. */
const LABELS = { "cutover:early": "early", "cutover:late": "late" } as const;

interface Parsed {
  readonly period: number | null;
  readonly ties: readonly Tie[];
  readonly open: readonly OpenTie[];
  readonly pools: readonly string[];
}

/** Reads what waves are made from. Only DAGs that are active count. */
export async function readWaveFacts(session: Session, options: WaveFactsOptions): Promise<WaveFacts> {
  const parsed = new Map<string, Parsed>();
  for await (const { dagId, data } of readSerializedDags(session, options.release)) {
    parsed.set(dagId, parseDag(dagId, data, options));
  }
  const all = [...parsed.values()];
  return {
    dags: await readRisks(session, options, parsed),
    ties: [
      ...all.flatMap(({ ties }) => ties),
      ...assetTies(await readAssetUses(session, options.release)),
      ...poolTies(await readPools(session, parsed)),
    ],
    open: all.flatMap(({ open }) => open),
  };
}

/** Ties that DAG files make, and not the slots of a pool. */
export async function readTies(session: Session, release: Release): Promise<readonly Tie[]> {
  const ties: Tie[] = [...assetTies(await readAssetUses(session, release))];
  for await (const { dagId, data } of readSerializedDags(session, release)) ties.push(...tiesOf(dagId, data).ties);
  return ties;
}

/** Ties by which what happens in one DAG makes a run of another. */
export async function readStartingTies(session: Session, release: Release): Promise<readonly Tie[]> {
  return (await readTies(session, release)).filter(({ kind }) => kind === "starts" || kind === "asset");
}

function parseDag(dagId: string, data: unknown, { release, now }: WaveFactsOptions): Parsed {
  const schedule = readSchedule(data, { release });
  const period = schedule === undefined ? null : tickPeriod(schedule.timetable, release, now);
  return { period: period === null ? null : period / SECOND, ...tiesOf(dagId, data), pools: poolsOf(data) };
}

/** The pools that the tasks of a serialised DAG take slots of. */
export function poolsOf(data: unknown): readonly string[] {
  const dag = isJson(data) && isJson(data["dag"]) ? data["dag"] : {};
  const tasks = Array.isArray(dag["tasks"]) ? dag["tasks"].map(unwrap).filter(isJson) : [];
  return [...new Set(tasks.flatMap(poolOf))];
}

function poolOf(task: Json): readonly string[] {
  const declared = unwrap(task["partial_kwargs"]);
  const pool = unwrap(task["pool"] ?? (isJson(declared) ? declared["pool"] : undefined));
  return typeof pool === "string" ? [pool] : [];
}

async function readPools(session: Session, parsed: ReadonlyMap<string, Parsed>): Promise<readonly PoolUse[]> {
  const rows = await session.query<{ pool: string; slots: number }>(
    "select pool, slots from slot_pool where pool is not null",
  );
  return rows.map(({ pool, slots }) => ({
    pool,
    slots,
    dagIds: [...parsed].filter(([, { pools }]) => pools.includes(pool)).map(([dagId]) => dagId),
  }));
}

async function readAssetUses(session: Session, release: Release): Promise<readonly AssetUse[]> {
  const tables = ASSET_TABLES.find((row) => isInRange(release, row.in));
  if (tables === undefined) return [];
  const { asset, produced, consumed, id } = tables;
  return session.query<{ uri: string; producers: string[]; consumers: string[] }>(
    `select a.uri,
  array(select distinct p.dag_id::text from ${produced} p where p.${id} = a.id order by 1) as producers,
  array(select distinct c.dag_id::text from ${consumed} c where c.${id} = a.id order by 1) as consumers
from ${asset} a order by a.uri`,
  );
}

interface ActiveRow {
  readonly in: Range;
  readonly where: string;
}

const ACTIVE: readonly ActiveRow[] = [
  { in: "<3.0", where: "d.is_active" },
  { in: ">=3.0", where: "not d.is_stale" },
];

interface RiskRow extends Readonly<Record<string, unknown>> {
  readonly dag_id: string;
  readonly is_paused: boolean | null;
  readonly tags: readonly string[];
  readonly ended: number;
  readonly failed: number;
}

async function readRisks(
  session: Session,
  { release, now, days }: WaveFactsOptions,
  parsed: ReadonlyMap<string, Parsed>,
): Promise<readonly DagRisk[]> {
  const active = ACTIVE.find((row) => isInRange(release, row.in))?.where ?? "true";
  const rows = await session.query<RiskRow>(
    `select d.dag_id, d.is_paused,
  array(select t.name::text from dag_tag t where t.dag_id = d.dag_id order by 1) as tags,
  coalesce(r.ended, 0)::int as ended, coalesce(r.failed, 0)::int as failed
from dag d left join (
  select dag_id, count(*) as ended, count(*) filter (where state = 'failed') as failed from dag_run
  where state in ('success', 'failed') and end_date > to_timestamp($1) group by dag_id
) r on r.dag_id = d.dag_id
where ${active} order by d.dag_id`,
    [now / SECOND - days * 86_400],
  );
  return rows.map((row) => ({
    dagId: row.dag_id,
    isPaused: row.is_paused === true,
    periodSeconds: parsed.get(row.dag_id)?.period ?? null,
    ended: row.ended,
    failed: row.failed,
    label: labelOf(row.tags),
  }));
}

function labelOf(tags: readonly string[]): DagRisk["label"] {
  const found = Object.entries(LABELS).find(([tag]) => tags.includes(tag));
  return found?.[1] ?? null;
}
