"""Fills a migrated, empty Airflow 2.10.5 metadata database with pickled XComs of which no two are alike.

    python pickles_2_10_5.py COUNT

Runs under a genuine 2.10.5's own interpreter, with AIRFLOW__CORE__ENABLE_XCOM_PICKLING on and that database in
AIRFLOW__DATABASE__SQL_ALCHEMY_CONN. One DAG, 10,000 mapped task instances to a run, one XCom each. The values have the sizes and kinds of what tasks
return: rows of a table, numbers, nested settings, dates, text outside of ASCII.
"""

import io
import sys
from datetime import datetime, timedelta, timezone

DAG = """
insert into dag (dag_id, is_paused, is_active, max_active_tasks, has_task_concurrency_limits, max_consecutive_failed_dag_runs)
values ('bench_pickles', true, true, 16, false, 0)
"""

RUNS = """
insert into dag_run (id, dag_id, run_id, run_type, state, execution_date, data_interval_start, data_interval_end, start_date, end_date, external_trigger,
  log_template_id, clear_number)
select n, 'bench_pickles', 'scheduled__' || n, 'scheduled', 'success', day, day, day, day, day, false, 1, 0
from (select n, timestamptz '2025-01-01 00:00+00' + n * interval '1 hour' as day from generate_series(1, {runs}) n) days
"""

TRIES = """
insert into task_instance (dag_id, task_id, run_id, map_index, state, start_date, end_date, duration, try_number, pool, pool_slots, executor_config)
select dag_id, 'each', run_id, place, 'success', start_date, end_date, 0, 1, 'default_pool', 1, '\\x80057d942e'
from dag_run, generate_series(0, 9999) place order by id, place
"""

START = datetime(2025, 1, 1, tzinfo=timezone.utc)


def value(n):
    kinds = [
        lambda: {"row": n, "path": f"s3://bucket/day={n % 365}/part-{n:07d}.parquet", "ok": n % 3 == 0, "share": n / 7},
        lambda: [n, n + 0.5, f"step {n}", None, [n % 10, {"deep": n}]],
        lambda: f"result {n}: größer als {n - 1}",
        lambda: {"at": START + timedelta(seconds=n), "id": n, "labels": {"team": f"t{n % 9}", "run": str(n)}},
        lambda: {"rows": [{"id": n + i, "name": f"name {n + i}", "amount": (n + i) / 3} for i in range(3)]},
    ]
    return kinds[n % len(kinds)]()


def main():
    from airflow import settings
    from airflow.models import XCom

    count = int(sys.argv[1])
    connection = settings.engine.raw_connection()
    cursor = connection.cursor()
    cursor.execute(DAG)
    cursor.execute(RUNS.format(runs=-(-count // 10_000)))
    cursor.execute(TRIES)
    # One check of a foreign key per row, without statistics, would take minutes; the rows fit by the way they are made.
    cursor.execute("set session_replication_role = replica")
    for start in range(0, count, 10_000):
        lines = io.StringIO()
        run = start // 10_000 + 1
        for n in range(start, min(start + 10_000, count)):
            pickled = XCom.serialize_value(value(n)).hex()
            lines.write(f"{run}\tbench_pickles\teach\tscheduled__{run}\t{n % 10_000}\treturn_value\t\\\\x{pickled}\t2025-01-01 00:00:00+00\n")
        lines.seek(0)
        cursor.copy_expert("copy xcom (dag_run_id, dag_id, task_id, run_id, map_index, key, value, timestamp) from stdin", lines)
    cursor.execute("select setval('dag_run_id_seq', (select max(id) from dag_run))")
    connection.commit()
    connection.set_session(autocommit=True)
    connection.cursor().execute("vacuum analyze")
    connection.close()


main()
