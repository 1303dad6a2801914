import { expect } from "vitest";
import type { CliResult } from "../../support/run-cli.ts";
import type { SchedulingAirflow } from "./cutover-environment.ts";
import type { CutoverLine, CutoverMigration, CutoverResult } from "./cutover-migration.ts";

/** Where a command is killed: so long after its nth line of that state, or, without a state, after its first line. */
export interface Kill {
  readonly state?: string;
  readonly nth?: number;
  readonly afterMs: number;
}

/** Runs a command that switches, and kills it there. It may have ended before. */
export async function killed(migration: CutoverMigration, args: readonly string[], kill: Kill): Promise<CliResult> {
  let left = kill.nth ?? 1;
  return await migration.attempt(args, {
    onStderrLine: (line, send) => {
      if (left === 0 || !line.startsWith("{")) return;
      const { state } = JSON.parse(line) as CutoverLine;
      if (state === undefined || (kill.state !== undefined && state !== kill.state)) return;
      left -= 1;
      if (left === 0) setTimeout(() => send("SIGKILL"), kill.afterMs);
    },
  });
}

/** Which of these DAGs are unpaused on a side. */
export async function unpausedOn(side: Pick<SchedulingAirflow, "query">, dags: readonly string[]) {
  const rows = await side.query<{ dag: string }>(
    "select dag_id as dag from dag where dag_id = any($1) and not is_paused order by 1",
    [dags],
  );
  return rows.map(({ dag }) => dag);
}

/** What is left behind is finished by the same command. */
export async function finished(migration: CutoverMigration, args: readonly string[]): Promise<CutoverResult> {
  const { code, stdout, stderr } = await migration.attempt(args);
  expect(code, `${stdout.slice(-3000)}\n${stderr.slice(-3000)}`).toBe(0);
  return JSON.parse(stdout) as CutoverResult;
}
