"""The same words for any Airflow from 1.10 to 3.x, for the DAG files beside it. On the PYTHONPATH of the environments that run them."""

import os
import sys
import time
from datetime import datetime

import pendulum

try:
    from airflow.sdk import DAG
except ImportError:
    from airflow import DAG
try:
    from airflow.sdk import Asset as Dataset
except ImportError:
    try:
        from airflow.datasets import Dataset
    except ImportError:
        Dataset = None
try:
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.providers.standard.operators.python import PythonOperator
    from airflow.providers.standard.sensors.python import PythonSensor
except ImportError:
    try:
        from airflow.operators.python import PythonOperator
    except ImportError:
        from airflow.operators.python_operator import PythonOperator
    try:
        from airflow.operators.empty import EmptyOperator
    except ImportError:
        try:
            from airflow.operators.dummy import DummyOperator as EmptyOperator
        except ImportError:
            from airflow.operators.dummy_operator import DummyOperator as EmptyOperator
    try:
        from airflow.sensors.python import PythonSensor
    except ImportError:
        from airflow.contrib.sensors.python_sensor import PythonSensor
from airflow.version import version

RELEASE = tuple(int(part) for part in version.split(".")[:2])
SCHEDULE = "schedule" if RELEASE >= (2, 4) else "schedule_interval"
START = datetime.strptime(os.environ["CUTOVER_START"], "%Y-%m-%dT%H:%M").replace(tzinfo=pendulum.timezone("UTC"))


def dag(dag_id, schedule, **settings):
    is_code = RELEASE < (2, 4) and hasattr(schedule, "next_dagrun_info")
    settings = dict({"start_date": START, "catchup": True}, **settings)
    settings["timetable" if is_code else SCHEDULE] = schedule
    made = DAG(dag_id, **settings)
    # Before 2.4 a DAG has to have a name in its file.
    sys._getframe(1).f_globals["dag_" + dag_id] = made
    return made


def work(seconds=0):
    time.sleep(seconds)
    return "done"


def is_held(name):
    """While the test has laid a file of that name there."""
    return os.path.exists(os.path.join(os.environ["CUTOVER_HOLDS"], name))
