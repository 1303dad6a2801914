import type { SchedulingAirflow } from "./cutover-environment.ts";
import { run, waitFor } from "./processes.ts";

/** A task instance that is not mapped. */
export interface TaskAddress {
  readonly dag: string;
  readonly run: string;
  readonly task: string;
}

/** One attempt as the metadata database has it. */
export interface Attempt {
  readonly state: string | null;
  readonly number: number;
  readonly began: string | null;
}

export async function readAttempt(
  airflow: SchedulingAirflow,
  { dag, run: runId, task }: TaskAddress,
): Promise<Attempt> {
  const [row] = await airflow.query<Attempt>(
    `select state, try_number as number, start_date::text as began from task_instance
     where dag_id = $1 and run_id = $2 and task_id = $3`,
    [dag, runId, task],
  );
  if (row === undefined) throw new Error(`${dag} ${runId} ${task} is not there`);
  return row;
}

/** Clears a task as a user does, through the API or, before 3.0, on the command line, and waits until it has run once more. */
export async function rerun(airflow: SchedulingAirflow, task: TaskAddress): Promise<Attempt> {
  const before = await readAttempt(airflow, task);
  if (airflow.api === undefined) await clearByCommand(airflow, task);
  else
    await airflow.api.call("POST", `/api/v2/dags/${task.dag}/clearTaskInstances`, {
      dry_run: false,
      dag_run_id: task.run,
      task_ids: [task.task],
      only_failed: false,
      reset_dag_runs: true,
    });
  return await waitFor(
    async () => {
      await airflow.assertAlive();
      const now = await readAttempt(airflow, task);
      return now.number > before.number && now.state === "success" ? now : undefined;
    },
    { timeoutMs: 180_000, describe: async () => JSON.stringify([before, await readAttempt(airflow, task)]) },
  );
}

async function clearByCommand(airflow: SchedulingAirflow, task: TaskAddress): Promise<void> {
  const [row] = await airflow.query<{ date: string }>(
    "select to_char(execution_date at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US+00:00') as date from dag_run where dag_id = $1 and run_id = $2",
    [task.dag, task.run],
  );
  const at = row?.date ?? "";
  const args = ["tasks", "clear", task.dag, "-t", `^${task.task}$`, "-s", at, "-e", at, "-y"];
  await run(airflow.install.airflow, args, { env: airflow.env, cwd: airflow.home });
}
