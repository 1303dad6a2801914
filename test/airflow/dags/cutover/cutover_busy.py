"""DAGs that always have a run under way: they are never without one for as long as a switch takes."""

import os
import time
from datetime import datetime, timedelta, timezone

try:
    from airflow.sdk import DAG
except ImportError:
    from airflow import DAG
try:
    from airflow.providers.standard.operators.python import PythonOperator
except ImportError:
    try:
        from airflow.operators.python import PythonOperator
    except ImportError:
        from airflow.operators.python_operator import PythonOperator
from airflow.version import version

START = datetime.strptime(os.environ["CUTOVER_START"], "%Y-%m-%dT%H:%M").replace(tzinfo=timezone.utc)
SCHEDULE = "schedule" if tuple(int(part) for part in version.split(".")[:2]) >= (2, 4) else "schedule_interval"


def work(seconds):
    time.sleep(seconds)


def busy(dag_id, seconds, catchup):
    settings = {SCHEDULE: timedelta(seconds=30), "start_date": START, "catchup": catchup, "max_active_runs": 4}
    dag = DAG(dag_id, **settings)
    PythonOperator(task_id="work", python_callable=work, op_args=[seconds], dag=dag)
    return dag


cut_busy = busy("cut_busy", 70, False)
cut_due = busy("cut_due", 40, True)
