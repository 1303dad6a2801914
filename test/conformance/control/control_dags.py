"""DAGs for the tests of control, for every Airflow from 1.10 to 3.x."""

import os
from datetime import datetime, timedelta

import pendulum

try:
    from airflow.sdk import DAG
except ImportError:
    from airflow import DAG
try:
    from airflow.providers.standard.operators.bash import BashOperator
except ImportError:
    try:
        from airflow.operators.bash import BashOperator
    except ImportError:
        from airflow.operators.bash_operator import BashOperator
from airflow.version import version

release = tuple(int(part) for part in version.split(".")[:2])
schedule = "schedule" if release >= (2, 4) else "schedule_interval"
max_active_tasks = "max_active_tasks" if release >= (2, 2) else "concurrency"
utc = pendulum.timezone("UTC")
berlin = pendulum.timezone("Europe/Berlin")


def dag(dag_id, when, **settings):
    settings.setdefault("start_date", datetime(2025, 1, 1, tzinfo=utc))
    settings.setdefault("catchup", False)
    settings[schedule] = when
    return DAG(dag_id, default_args={"owner": settings.pop("owner", "airflow")}, **settings)


def done(within):
    return BashOperator(task_id="done", bash_command="true", dag=within)


minutely = dag(
    "ctl_minutely",
    "* * * * *",
    start_date=datetime.strptime(os.environ["CTL_START"], "%Y-%m-%dT%H:%M").replace(tzinfo=utc),
    catchup=True,
)
done(minutely)

daily = dag(
    "ctl_daily",
    "0 6 * * *",
    owner="team_a",
    start_date=datetime(2025, 1, 1, tzinfo=berlin),
    end_date=datetime(2035, 1, 1, tzinfo=utc),
    is_paused_upon_creation=True,
    max_active_runs=3,
    tags=["control", "daily"],
    **{max_active_tasks: 7}
)
done(daily)

delta = dag("ctl_delta", timedelta(days=1, hours=2), catchup=True)
done(delta)

manual = dag("ctl_manual", None)
done(manual)

long = dag("ctl_long", None)
BashOperator(task_id="sleep", bash_command="sleep 10", dag=long) >> done(long)

if release >= (2, 4):
    try:
        from airflow.sdk import Asset as Dataset
    except ImportError:
        from airflow.datasets import Dataset
    one, other = Dataset("s3://control/one"), Dataset("s3://control/other")
    producer = dag("ctl_producer", None)
    BashOperator(task_id="done", bash_command="true", outlets=[one], dag=producer)
    waiting = dag("ctl_waiting", [one, other])
    done(waiting)
