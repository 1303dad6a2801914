import { hasLedger } from "../copy/ledger.ts";
import { readTakenOff } from "../copy/restore-indexes.ts";
import { readHeldHorizon } from "../probe/vacuum-horizon.ts";
import { count, type Outcome, type SideCheck, type SideContext, someOf } from "./check.ts";

/** A role without special rights sees the sessions of others, but not their kind; background workers have no user. */
const OTHER_SESSIONS = `
  select coalesce(nullif(application_name, ''), 'without a name') || ' as ' || usename as who, count(*)::int as sessions
  from pg_stat_activity
  where datname = current_database() and usename is not null and pid <> pg_backend_pid()
  and coalesce(backend_type, 'client backend') = 'client backend' and application_name not like 'crosswind %'
  group by 1 order by 2 desc, 1`;

/** Longer than Airflow's own threshold for an unhealthy scheduler ([scheduler] scheduler_health_check_threshold, 30 s). */
const ALIVE_SECONDS = 60;

async function isSchedulerAlive({ session }: SideContext): Promise<boolean> {
  const [right] = await session.query<{ may: boolean | null }>(
    `select has_table_privilege(c.oid, 'SELECT') and has_schema_privilege('public', 'USAGE') as may
     from pg_class c where c.relname = 'job' and c.relnamespace = 'public'::regnamespace`,
  );
  if (right?.may !== true) return false;
  const [row] = await session.query<{ alive: boolean }>(
    `select exists (select 1 from job where job_type = 'SchedulerJob' and state = 'running'
       and latest_heartbeat > now() - make_interval(secs => $1)) as alive`,
    [ALIVE_SECONDS],
  );
  return row?.alive === true;
}

async function checkOtherSessions(context: SideContext): Promise<Outcome> {
  const rows = await context.session.query<{ who: string; sessions: number }>(OTHER_SESSIONS);
  const alive = (await isSchedulerAlive(context)) ? "its scheduler is alive, " : "";
  const total = rows.reduce((sum, row) => sum + row.sessions, 0);
  if (total === 0 && alive === "") return { status: "ok", detail: "nobody else is connected" };
  if (context.side === "source") {
    return { status: "ok", detail: `${alive}${count(total, "other session")}: it goes on working during the copy` };
  }
  const who = someOf(
    rows.map((row) => `${row.sessions} × ${row.who}`),
    4,
  );
  return {
    status: "note",
    detail: `${alive}${count(total, "other session")}${who === "" ? "" : ` (${who})`}: indexes stay on while others use the tables, which makes a large load about half as fast`,
    next: ["for a large first copy, stop the target's Airflow meanwhile"],
  };
}

async function checkUnpaused({ session }: SideContext): Promise<Outcome> {
  const [row] = await session.query<{ unpaused: number; all: number }>(
    `select count(*) filter (where not is_paused)::int as unpaused, count(*)::int as all from dag`,
  );
  const unpaused = row?.unpaused ?? 0;
  return {
    status: unpaused === 0 ? "ok" : "note",
    detail: `${count(unpaused, "DAG")} of ${row?.all ?? 0} ${unpaused === 1 ? "is" : "are"} not paused`,
  };
}

/** A killed apply may have left indexes off; the ledger has their definitions. */
async function checkTakenOff({ session }: SideContext): Promise<Outcome> {
  const items = (await hasLedger(session)) ? await readTakenOff(session) : [];
  if (items.length === 0) return { status: "ok", detail: "none are missing by the ledger" };
  return {
    status: "warning",
    detail: `${count(items.length, "index or constraint", "indexes and constraints")} were taken off for a load that did not end: ${someOf(items.map((item) => item.name))}`,
    next: ["crosswind apply PLAN    with the plan of that load: it goes on and puts them back"],
  };
}

/** A snapshot of ours is renewed after an hour; what is older for long is worth a look, whoever has it. */
const OLD_SECONDS = 3600;

async function checkHorizon({ session }: SideContext): Promise<Outcome> {
  const held = await readHeldHorizon(session);
  if (held === undefined) return { status: "ok", detail: "no session that it shows keeps the server from cleaning up" };
  // Whole seconds: one that has just begun has none.
  const minutes = Math.max(1, Math.ceil(held.seconds / 60));
  const detail = `for ${held.who} the server keeps what was deleted in the last ${count(minutes, "minute")} (${count(held.transactions, "transaction")})`;
  if (held.seconds < OLD_SECONDS) return { status: held.isOurs ? "note" : "ok", detail };
  return {
    status: "warning",
    detail,
    next: held.isOurs
      ? [
          "a copy renews its read snapshot after `snapshotMinutes`: lower it in crosswind.yaml, or end the process that is left over",
        ]
      : ["look for the session in pg_stat_activity (backend_xmin), and end it if nobody needs it"],
  };
}

/** What else goes on in a database. */
export const activityChecks: readonly SideCheck[] = [
  { id: "other-sessions", ofServer: true, title: "Other sessions", run: checkOtherSessions },
  { id: "vacuum-horizon", ofServer: true, title: "Vacuum horizon", on: "source", run: checkHorizon },
  { id: "unpaused-dags", title: "DAGs", needsRelease: true, run: checkUnpaused },
  { id: "taken-off", title: "Indexes and constraints", on: "target", run: checkTakenOff },
];
