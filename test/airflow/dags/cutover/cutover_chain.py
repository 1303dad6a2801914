"""A producer that takes a while, and the DAG that each of its events starts."""

import time
from datetime import datetime, timezone

try:
    from airflow.sdk import DAG
    from airflow.sdk import Asset as Dataset
except ImportError:
    from airflow import DAG
    from airflow.datasets import Dataset
try:
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.providers.standard.operators.python import PythonOperator
except ImportError:
    from airflow.operators.empty import EmptyOperator
    from airflow.operators.python import PythonOperator

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
PARTS = Dataset("s3://cutover/parts")


def work():
    time.sleep(15)


with DAG("cut_slow_producer", schedule=None, start_date=START, catchup=False):
    PythonOperator(task_id="work", python_callable=work, outlets=[PARTS])

with DAG("cut_started", schedule=[PARTS], start_date=START, catchup=False):
    EmptyOperator(task_id="work")
