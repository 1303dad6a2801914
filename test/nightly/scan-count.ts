import { setTimeout as sleep } from "node:timers/promises";
import type { SchedulingAirflow } from "../airflow/support/cutover-environment.ts";

/** What was read of a table by scans of the whole of it. */
interface TableScans {
  /** How many such scans were begun, less those that the schedulers begin in the same time. */
  readonly scans: number;
  /** Rows they gave, as so many times the whole table. */
  readonly whole: number;
}

export type Scans = Readonly<Record<string, TableScans>> & {
  readonly [table in "dag_run" | "task_instance"]: TableScans;
};

interface Counter {
  readonly table: string;
  readonly scans: number;
  readonly read: number;
  readonly live: number;
}

type Side = Pick<SchedulingAirflow, "query">;

/** Statistics of a session that goes on are written about every second. */
const STATISTICS_MS = 2500;

async function read({ query }: Side, tables: readonly string[]): Promise<ReadonlyMap<string, Counter>> {
  await sleep(STATISTICS_MS);
  const rows = await query<Counter>(
    `select relname as table, seq_scan::int as scans, seq_tup_read::float as read, n_live_tup::float as live
     from pg_stat_user_tables where schemaname = 'public' and relname = any($1)`,
    [tables],
  );
  return new Map(rows.map((row) => [row.table, row]));
}

/** Counts scans of whole tables from now on, by the server's own statistics. What is read besides is measured for some seconds first, and taken off. */
export async function openScanCount(side: Side, tables: readonly string[]): Promise<{ since: () => Promise<Scans> }> {
  const idleMs = 15_000;
  const idle = await read(side, tables);
  await sleep(idleMs);
  const first = await read(side, tables);
  const beganMs = Date.now();
  return {
    since: async () => {
      const last = await read(side, tables);
      const ratio = (Date.now() - beganMs) / (idleMs + STATISTICS_MS);
      const entries = tables.map((table) => {
        const [before, start, end] = [idle, first, last].map((counts) => counts.get(table));
        if (before === undefined || start === undefined || end === undefined) throw new Error(`${table} is not there`);
        const scans = end.scans - start.scans - (start.scans - before.scans) * ratio;
        const rows = end.read - start.read - (start.read - before.read) * ratio;
        return [table, { scans: Math.round(scans), whole: rows / Math.max(1, end.live) }];
      });
      return Object.fromEntries(entries) as Scans;
    },
  };
}
