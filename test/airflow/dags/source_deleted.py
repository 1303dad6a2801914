"""A DAG that was deleted: its runs are still in the history, its row and its file are gone."""

from __future__ import annotations

import datetime as dt

from airflow import DAG
from airflow.decorators import task

with DAG("cw_deleted", schedule=None, start_date=dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc), catchup=False):

    @task
    def once_upon_a_time():
        return {"remembered": True}

    once_upon_a_time()
