/** Something that takes SQL: a client, or a database of a test. */
interface Queryable {
  query(sql: string, values?: readonly unknown[]): Promise<unknown>;
}

const TABLES_OF_A_RUN = ["dag_run", "task_instance", "xcom", "rendered_task_instance_fields", "log"] as const;

export interface NewRun {
  readonly dag: string;
  readonly run: string;
  readonly state: "success" | "running";
  /** The recorded run whose rows it gets. */
  readonly like: { readonly dag: string; readonly run: string };
}

/** What a 2.x source's Airflow does when a run is worked through: rows like those of a recorded one, with ids that come next. */
export async function addRun(source: Queryable, { dag, run, state, like }: NewRun): Promise<void> {
  for (const table of TABLES_OF_A_RUN) {
    await source.query(`do $$
      declare names text; read text;
      begin
        select string_agg(quote_ident(attname), ', ' order by attnum), string_agg(case attname
          when 'dag_id' then quote_literal('${dag}') when 'run_id' then quote_literal('${run}')
          when 'id' then '(select coalesce(max(id), 0) from ${table}) + row_number() over ()'
          when 'dag_run_id' then '(select id from dag_run where dag_id = ''${dag}'' and run_id = ''${run}'')'
          when 'execution_date' then '(select max(execution_date) from dag_run) + interval ''1 hour'''
          when 'state' then case when '${table}' = 'dag_run' then quote_literal('${state}') else 'state' end
          else quote_ident(attname) end, ', ' order by attnum)
        into names, read from pg_attribute where attrelid = '${table}'::regclass and attnum > 0 and not attisdropped;
        execute 'insert into ${table} (' || names || ') select ' || read || ' from ${table} where dag_id = ''${like.dag}'' and run_id = ''${like.run}''';
      end $$`);
  }
}
