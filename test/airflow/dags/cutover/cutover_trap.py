"""The DAG of the naive sequence: nothing but a cron with catchup."""

import os
from datetime import datetime, timezone

try:
    from airflow.sdk import DAG
except ImportError:
    from airflow import DAG
try:
    from airflow.providers.standard.operators.empty import EmptyOperator
except ImportError:
    from airflow.operators.empty import EmptyOperator

START = datetime.strptime(os.environ["CUTOVER_START"], "%Y-%m-%dT%H:%M").replace(tzinfo=timezone.utc)

with DAG("cut_trap", schedule="*/2 * * * *", start_date=START, catchup=True):
    EmptyOperator(task_id="work")
