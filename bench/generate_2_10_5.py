"""Fills a migrated, empty Airflow 2.10.5 metadata database with a history of a chosen size.

    python generate_2_10_5.py RUNS_PER_DAG [--without-unfinished]

Runs under a genuine 2.10.5's own interpreter, with that database in AIRFLOW__DATABASE__SQL_ALCHEMY_CONN, AIRFLOW_HOME and the DAG folder in a
folder of its own. 100 DAGs x RUNS_PER_DAG runs x 10 task instances: 8 plain tasks and one mapped over two values.

DAGs, connections, variables, pools and triggers are written by Airflow's ORM; pickles and XCom values are made by Airflow's own column types, so
every value is one that a genuine 2.10.5 wrote. The history itself is INSERT .. SELECT with every constraint on, in the order in which a scheduler
would have written it: by time. Nothing is random: the same arguments give the same rows.

The newest 1 % of each DAG's runs are unfinished. `--without-unfinished` leaves those out: what a tool that copies only finished runs carries.
"""

import argparse
import json
import os
import time

DAGS = 100
FIRST_DAY = "timestamptz '2025-01-01 00:00+00'"

DAG_FILE = '''\
from datetime import datetime, timedelta

from airflow import DAG
from airflow.decorators import task
from airflow.operators.bash import BashOperator
from airflow.operators.empty import EmptyOperator
from airflow.operators.python import PythonOperator

for number in range({dags}):
    team = f"team_{{number % 9}}"
    with DAG(
        f"bench_{{number:03d}}",
        schedule="@hourly",
        start_date=datetime(2024, 1, 1),
        catchup=False,
        tags=["bench", team],
        description=f"bench DAG {{number}}",
        default_args={{"owner": team, "retries": 2, "retry_delay": timedelta(minutes=5)}},
    ) as dag:
        steps = [EmptyOperator(task_id="step_0")]
        steps += [BashOperator(task_id=f"step_{{n}}", bash_command="echo {{{{ ds }}}} " + str(n)) for n in range(1, 5)]
        steps += [PythonOperator(task_id=f"step_{{n}}", python_callable=print, op_args=[n]) for n in range(5, 8)]
        for before, after in zip(steps, steps[1:]):
            before >> after

        @task
        def each(value):
            return value * 2

        steps[-1] >> each.expand(value=[1, 2])
    globals()[dag.dag_id] = dag
'''

# One row per run. `h` is a number that looks random and is not; `n` counts a DAG's runs.
RUNS = """
insert into dag_run (id, dag_id, run_id, run_type, state, execution_date, data_interval_start, data_interval_end, queued_at, start_date, end_date,
  external_trigger, conf, creating_job_id, dag_hash, log_template_id, clear_number, last_scheduling_decision, updated_at)
select n * {dags} + d + 1, dag_id, run_type || '__' || to_char(day at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'), run_type,
  case when is_open then 'running' when h % 20 = 3 then 'failed' else 'success' end,
  day, day, day + interval '1 hour', day + interval '1 hour', begun, case when not is_open then begun + interval '8 minutes' + spread end,
  run_type = 'manual', pickle, case when run_type = 'scheduled' then 3 end, dag_hash, 1, case when h % 40 = 1 then 1 else 0 end,
  begun + interval '8 minutes', begun + interval '8 minutes' + spread
from (
  select d, n, h, day, run_type, n >= {runs} - greatest({runs} / 100, 1) as is_open, h % 8999999 * interval '1 microsecond' as spread,
    day + interval '1 hour 1 second' + h % 8999999 * interval '1 microsecond' as begun
  from (
    select d, n, h, case when n % 40 = 39 then 'manual' else 'scheduled' end as run_type,
      {first_day} + n * interval '1 hour' + case when n % 40 = 39 then (h % 900000 + 1) * interval '1 millisecond' else interval '0' end as day
    from (select d, n, pg_temp.mix(d * 7919::bigint + n * 104729::bigint) as h
          from generate_series(0, {runs} - 1) n, generate_series(0, {dags} - 1) d) numbers) kinds) facts
join serialized_dag on dag_id = 'bench_' || lpad(d::text, 3, '0')
join bench_conf on number = case when run_type = 'manual' then 1 + h % 7 else 0 end
order by n, d
"""

TRIES = """
insert into task_instance (dag_id, task_id, run_id, map_index, state, start_date, end_date, duration, try_number, max_tries, hostname, unixname, job_id,
  pool, pool_slots, queue, priority_weight, operator, custom_operator_name, queued_dttm, queued_by_job_id, pid, executor, executor_config, updated_at,
  rendered_map_index, external_executor_id, trigger_id, trigger_timeout, next_method, next_kwargs, task_display_name)
select dag_id, task, run_id, place, state, begun, case when state <> 'deferred' then begun + took * interval '1 second' end,
  case when state <> 'deferred' then took end, case when h % 16 = 5 then 2 else 1 end, 2,
  'worker-' || h % 6 || '.airflow-worker.airflow.svc.cluster.local', 'airflow', id * 10 + step,
  case when h % 7 = 0 then 'bench_pool_' || lpad((h % 20)::text, 2, '0') else 'default_pool' end, 1, case when h % 9 = 0 then 'heavy' else 'default' end,
  10 - step,
  case when step = 0 then 'EmptyOperator' when step < 5 then 'BashOperator' when step < 8 then 'PythonOperator' else '_PythonDecoratedOperator' end,
  case when step >= 8 then '@task' end, begun - interval '1.5 seconds', 3, 200 + h % 30000, case when h % 12 = 0 then 'CeleryExecutor' end,
  pickle, begun + took * interval '1 second', case when step >= 8 and h % 2 = 0 then 'value ' || place end, md5(id || '/' || step)::uuid::text,
  case when state = 'deferred' then 1 + h % 10 end, case when state = 'deferred' then (begun + interval '1 day') at time zone 'UTC' end,
  case when state = 'deferred' then 'execute_complete' end, case when state = 'deferred' then '{{"__var": {{}}, "__type": "dict"}}'::json end, task
from (
  select r.id, r.dag_id, r.run_id, step, h, case when step < 8 then 'step_' || step else 'each' end as task,
    case when step < 8 then -1 else step - 8 end as place, h % 40000000 / 1000000.0::float8 as took,
    r.start_date + step * interval '45 seconds' + h % 4999999 * interval '1 microsecond' as begun,
    case when r.state = 'running' and step = 7 then 'deferred' when h % 50 = 1 then 'failed' when h % 90 = 2 then 'skipped'
      when h % 60 = 3 then 'upstream_failed' else 'success' end as state
  from (select dag_run.*, step, pg_temp.mix(id * 31::bigint + step) as h from dag_run, generate_series(0, 9) step) r) facts
join bench_executor_config on number = case when h % 40 = 7 then 1 else 0 end
order by id, step
"""

TASK = "dag_id, task_id, run_id, map_index"

# The rest follows from runs and task instances.
REST = {
    "task_instance_history": f"""
insert into task_instance_history ({TASK}, try_number, state, start_date, end_date, duration, max_tries, hostname, unixname, job_id, pool, pool_slots,
  queue, priority_weight, operator, custom_operator_name, queued_dttm, queued_by_job_id, pid, executor, executor_config, updated_at,
  rendered_map_index, external_executor_id, task_display_name)
select {TASK}, 1, 'failed', start_date - interval '6 minutes', start_date - interval '5 minutes 20 seconds', 40, max_tries, hostname, unixname, job_id,
  pool, pool_slots, queue, priority_weight, operator, custom_operator_name, queued_dttm - interval '6 minutes', queued_by_job_id, pid, executor,
  executor_config, start_date - interval '5 minutes 20 seconds', rendered_map_index, external_executor_id, task_display_name
from task_instance where try_number = 2 order by start_date""",
    "task_fail": f"""
insert into task_fail ({TASK}, start_date, end_date, duration)
select {TASK}, start_date, end_date, duration::int from task_instance where state = 'failed' or try_number = 2 order by start_date""",
    "rendered_task_instance_fields": f"""
insert into rendered_task_instance_fields ({TASK}, rendered_fields)
select {TASK}, json_build_object('bash_command', 'echo ' || run_id, 'env', null, 'cwd', null, 'op_args', json_build_array(map_index))
from task_instance join (select dag_id, run_id, row_number() over (partition by dag_id order by execution_date desc) as age from dag_run) newest
  using (dag_id, run_id)
where operator <> 'EmptyOperator' and age <= 30 order by start_date""",
    "xcom": f"""
insert into xcom (dag_run_id, {TASK}, key, value, timestamp)
select r.id, t.dag_id, t.task_id, t.run_id, t.map_index, 'return_value', value, t.end_date
from (select *, pg_temp.mix(job_id) as h from task_instance) t join dag_run r using (dag_id, run_id) join bench_xcom on number = h % 6
where t.state = 'success' and t.operator <> 'EmptyOperator' and h % 10 < 3 order by r.id, t.task_id, t.map_index""",
    "task_map": "insert into task_map (dag_id, task_id, run_id, map_index, length) select dag_id, 'step_7', run_id, -1, 2 from dag_run order by id",
    "task_reschedule": f"""
insert into task_reschedule ({TASK}, try_number, start_date, end_date, duration, reschedule_date)
select {TASK}, 1, start_date - interval '3 minutes', start_date - interval '2 minutes', 60, start_date
from task_instance where pid % 150 = 0 and operator = 'PythonOperator' order by start_date""",
    "dag_run_note": """
insert into dag_run_note (dag_run_id, content, created_at, updated_at)
select id, 'about run ' || id, start_date, start_date from dag_run where id % 100 = 0""",
    "task_instance_note": f"""
insert into task_instance_note ({TASK}, content, created_at, updated_at)
select {TASK}, 'seen: ok, naïve', start_date, start_date from task_instance where job_id % 1000 = 0""",
    "log": """
insert into log (dttm, dag_id, task_id, map_index, event, execution_date, run_id, owner, owner_display_name, extra, try_number)
select coalesce(t.end_date, t.start_date), t.dag_id, task_id, map_index, case when t.state in ('success', 'failed') then t.state else 'running' end,
  r.execution_date, run_id, 'airflow', null,
  json_build_object('host_name', hostname, 'full_command', '[''/usr/local/bin/airflow'', ''tasks'', ''run'']')::text, try_number
from task_instance t join dag_run r using (dag_id, run_id) order by r.id, job_id""",
}


def write_objects():
    """What a scheduler's DAG processor and people write, through Airflow's own code."""
    from airflow.models import Connection, DagBag, Pool, Variable
    from airflow.models.trigger import Trigger
    from airflow.utils import timezone
    from airflow.utils.session import create_session

    folder = os.environ["AIRFLOW__CORE__DAGS_FOLDER"]
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "bench_dags.py"), "w") as file:
        file.write(DAG_FILE.format(dags=DAGS))
    bag = DagBag(folder, include_examples=False, read_dags_from_db=False)
    if len(bag.dags) != DAGS or bag.import_errors:
        raise SystemExit(f"{len(bag.dags)} DAGs, {bag.import_errors}")
    bag.sync_to_db()
    with create_session() as session:
        for n in range(200):
            session.add(
                Connection(
                    conn_id=f"bench_connection_{n:03d}",
                    conn_type=["http", "postgres", "ssh", "aws"][n % 4],
                    host=f"host-{n}.example",
                    login=f"user {n}",
                    password=f"p:{n}/ß%" if n % 8 else None,
                    port=2000 + n if n % 3 else None,
                    extra=json.dumps({"region": "eu-west-1", "n": n, "token": "t" * 40}) if n % 3 else None,
                )
            )
        for n in range(500):
            session.add(Variable(key=f"bench_variable_{n:03d}", val=json.dumps({"n": n, "all": list(range(n % 25))})))
        for n in range(20):
            session.add(Pool(pool=f"bench_pool_{n:02d}", slots=4 + n, description=f"bench pool {n}", include_deferred=n % 2 == 1))
        for _ in range(10):
            moment = {"moment": timezone.utcnow(), "end_from_trigger": False}
            session.add(Trigger(classpath="airflow.triggers.temporal.DateTimeTrigger", kwargs=moment))


def stored(column, value):
    """The bytes that Airflow's column type stores for a value."""
    from airflow import settings

    convert = column.property.columns[0].type.bind_processor(settings.engine.dialect)
    adapted = convert(value)
    return bytes(getattr(adapted, "adapted", adapted))


def values_of_history():
    from airflow.models import DagRun, TaskInstance, XCom

    confs = [{}] + [{"from": "api", "n": n, "table": {"name": f"t{n}", "full": n % 2 == 0, "parts": list(range(n))}} for n in range(7)]
    configs = [{}, {"KubernetesExecutor": {"image": "registry.example/job:3", "request_cpu": "250m", "request_memory": "512Mi"}}]
    xcoms = [None, 17, "a word, ein Wört", {"rows": 4711, "path": "s3://bucket/part-0001.parquet", "ok": True}, [1, 2.5, "x"], {"long": "v" * 300}]
    return {
        "bench_conf": [stored(DagRun.conf, value) for value in confs],
        "bench_executor_config": [stored(TaskInstance.executor_config, value) for value in configs],
        "bench_xcom": [XCom.serialize_value(value) for value in xcoms],
    }


def write_history(runs, without_unfinished):
    from airflow import settings

    connection = settings.engine.raw_connection()
    cursor = connection.cursor()

    def insert(name, sql):
        start = time.monotonic()
        cursor.execute(sql)
        print(f"{name:32s}{cursor.rowcount:>10d} rows {time.monotonic() - start:7.1f} s", flush=True)

    cursor.execute("set synchronous_commit = off")
    cursor.execute("create function pg_temp.mix(bigint) returns int language sql immutable parallel safe as 'select hashint8($1) & 2147483647'")
    for table, values in values_of_history().items():
        column = "value" if table == "bench_xcom" else "pickle"
        cursor.execute(f"create temporary table {table} (number int primary key, {column} bytea)")
        for number, value in enumerate(values):
            cursor.execute(f"insert into {table} values (%s, %s)", (number, value))
    insert("dag_run", RUNS.format(dags=DAGS, runs=runs, first_day=FIRST_DAY))
    if without_unfinished:
        cursor.execute("delete from dag_run where state = 'running'")
    insert("task_instance", TRIES.format())
    cursor.execute("analyze dag_run; analyze task_instance")
    for name, sql in REST.items():
        insert(name, sql)
    cursor.execute("select setval('dag_run_id_seq', (select max(id) from dag_run))")
    connection.commit()
    cursor.close()
    connection.set_session(autocommit=True)
    connection.cursor().execute("vacuum analyze")
    connection.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", type=int)
    parser.add_argument("--without-unfinished", action="store_true")
    args = parser.parse_args()
    write_objects()
    write_history(args.runs, args.without_unfinished)


main()
