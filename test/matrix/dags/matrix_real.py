"""A DAG that every release from 1.10 to 3.3 can run: results of several kinds, a failure, a skip, a retry, a sensor that gives up its slot."""

from __future__ import annotations

import datetime as dt

try:
    from airflow.sdk import DAG
except ImportError:
    from airflow import DAG
try:
    from airflow.providers.standard.operators.python import PythonOperator
    from airflow.providers.standard.sensors.python import PythonSensor
except ImportError:
    try:
        from airflow.operators.python import PythonOperator
        from airflow.sensors.python import PythonSensor
    except ImportError:
        from airflow.contrib.sensors.python_sensor import PythonSensor
        from airflow.operators.python_operator import PythonOperator
try:
    from airflow.sdk.exceptions import AirflowSkipException
except ImportError:
    from airflow.exceptions import AirflowSkipException


def give(**_):
    return {"rows": [1, 2.5, None, True], "text": "ü 漢字", "nested": {"a": {"b": []}}}


def skip(**_):
    raise AirflowSkipException("nothing to do")


def fail(**_):
    raise ValueError("this task fails")


def is_there(**_):
    return True


def add_one(x):
    return x + 1


settings = {"schedule": None}
try:
    dag = DAG("matrix_real", start_date=dt.datetime(2024, 1, 1), catchup=False, **settings)
except TypeError:  # releases before 2.4
    settings = {"schedule_interval": "@daily"}
    dag = DAG("matrix_real", start_date=dt.datetime(2024, 1, 1), catchup=False, **settings)

with dag:
    given = PythonOperator(task_id="give", python_callable=give)
    skipped = PythonOperator(task_id="skip", python_callable=skip)
    failed = PythonOperator(task_id="fail", python_callable=fail)
    after_failure = PythonOperator(task_id="after_failure", python_callable=give)
    sensor = PythonSensor(task_id="sensor", python_callable=is_there, mode="reschedule", poke_interval=1)
    given >> skipped
    failed >> after_failure
    if hasattr(PythonOperator, "partial"):
        mapped = PythonOperator.partial(task_id="mapped", python_callable=add_one).expand(op_args=[[1], [2], [3]])
        given >> mapped
        # Last of all: some releases end a test run at its first failure, and run what is due in any order.
        [mapped, sensor] >> failed
