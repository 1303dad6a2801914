"""A DAG that writes datasets (assets in Airflow 3), one that waits for them, and one that starts another DAG."""

from __future__ import annotations

import datetime as dt

try:  # Airflow 3
    from airflow.sdk import DAG, Metadata, task
    from airflow.sdk import Asset as Dataset
    from airflow.sdk import AssetAlias as DatasetAlias
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.datasets import Dataset, DatasetAlias
    from airflow.datasets.metadata import Metadata
    from airflow.decorators import task

try:
    from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
except ImportError:
    from airflow.operators.trigger_dagrun import TriggerDagRunOperator

start = dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc)
orders = Dataset("s3://lake/orders.parquet", extra={"owner": "sales"})
customers = Dataset("s3://lake/customers.parquet")
by_alias = DatasetAlias("lake-alias")

with DAG("cw_producer", schedule=None, start_date=start, catchup=False):

    @task(outlets=[orders, customers])
    def write():
        yield Metadata(orders, {"rows": 17, "unit": "ü"})
        return None

    @task(outlets=[by_alias])
    def write_by_alias(*, outlet_events):
        outlet_events[by_alias].add(Dataset("s3://lake/by-alias.parquet"), extra={"through": "alias"})

    write() >> write_by_alias()

with DAG("cw_consumer", schedule=[orders], start_date=start, catchup=False):

    @task
    def read():
        return "read"

    read()

with DAG("cw_starter", schedule=None, start_date=start, catchup=False):
    TriggerDagRunOperator(
        task_id="start_another",
        trigger_dag_id="cw_configured",
        conf={"started_by": "{{ run_id }}", "nested": {"n": 1}},
    )
