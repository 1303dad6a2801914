import { Client } from "pg";

/** Ids of a copy are the recorded ones plus a multiple of this: no table of the fixture has as many rows. */
const ID_STEP = 1000;

/** Parents first. Each gets its rows once more per copy, of other DAGs and with other ids. */
const HISTORY = [
  "dag_run",
  "task_instance",
  "task_instance_history",
  "task_fail",
  "task_reschedule",
  "task_map",
  "task_instance_note",
  "dag_run_note",
  "rendered_task_instance_fields",
  "xcom",
  "log",
  "sla_miss",
] as const;

/** The tables with most rows. */
const THIN = ["dag_run", "task_instance", "xcom", "log", "rendered_task_instance_fields"] as const;

/** DAGs with open runs are not multiplied: real environments have few of them. */
const FINISHED_DAGS =
  "select dag_id from dag_run where dag_id !~ '_[0-9]+$' group by 1 having bool_and(state in ('success', 'failed'))";

export interface Growth {
  /** How often the recorded history is there once more. */
  readonly copies: number;
  /** Connections and variables with secrets, added to the recorded ones. */
  readonly secrets: number;
  /** Fill the blocks thinly: as many of them as a much larger table has, so that it is read in several chunks. Default false. */
  readonly isThin?: boolean;
}

/** Multiplies the rows of a loaded fixture. The same rows every time. */
export async function growSource(url: string, { copies, secrets, isThin = false }: Growth): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    for (const table of isThin ? THIN : []) await client.query(`alter table ${table} set (fillfactor = 10)`);
    for (const table of HISTORY) await client.query(await multiplied(client, table, copies));
    await client.query(secretsCopied("connection", "conn_id", secrets));
    await client.query(secretsCopied("variable", "key", secrets));
    // Not FREEZE: what changed is told by the rows' transaction ids.
    await client.query("vacuum analyze");
  } finally {
    await client.end();
  }
}

/** Copy n of a row is one of the DAG `<dag_id>_n`, with ids moved by n steps. */
async function multiplied(client: Client, table: string, copies: number): Promise<string> {
  const { rows } = await client.query<{ name: string }>(
    "select attname as name from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped",
    [table],
  );
  const names = rows.map((row) => row.name);
  const values = names.map((name) => {
    if (name === "dag_id") return "dag_id || '_' || n";
    return ["id", "dag_run_id"].includes(name) ? `${name} + n * ${ID_STEP}` : name;
  });
  const belongs = names.includes("dag_id")
    ? `dag_id in (${FINISHED_DAGS})`
    : `dag_run_id in (select id from dag_run where dag_id in (${FINISHED_DAGS}))`;
  return `insert into ${table} (${names.join(", ")})
    select ${values.join(", ")} from (select * from ${table} where ${belongs}) recorded, generate_series(1, ${copies}) n
    order by n`;
}

/** Tokens are copied as they are: whoever decrypts one decrypts the other. */
function secretsCopied(table: "connection" | "variable", key: string, copies: number): string {
  const columns =
    table === "connection"
      ? "conn_type, host, login, password, port, extra, is_encrypted, is_extra_encrypted"
      : "val, is_encrypted";
  return `insert into ${table} (${key}, ${columns})
    select ${key} || '_' || n, ${columns} from (select * from ${table} where is_encrypted order by id limit 1) recorded,
      generate_series(1, ${copies}) n`;
}
