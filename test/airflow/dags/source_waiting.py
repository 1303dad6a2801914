"""Work that waits: a rescheduling sensor, and runs that are still open when the source is stopped."""

from __future__ import annotations

import datetime as dt
import os
import pathlib

try:  # Airflow 3
    from airflow.sdk import DAG, get_current_context, task
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.decorators import task
    from airflow.operators.python import get_current_context

try:
    from airflow.providers.standard.sensors.time_delta import TimeDeltaSensorAsync
except ImportError:
    try:
        from airflow.providers.standard.sensors.time_delta import TimeDeltaSensor

        class TimeDeltaSensorAsync(TimeDeltaSensor):
            def __init__(self, **kwargs):
                super().__init__(deferrable=True, **kwargs)

    except ImportError:
        from airflow.sensors.time_delta import TimeDeltaSensorAsync

start = dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc)

with DAG("cw_sensor", schedule=None, start_date=start, catchup=False):

    @task.sensor(poke_interval=1, timeout=60, mode="reschedule")
    def second_look():
        """False at the first poke of a run, true at the second."""
        run_id = get_current_context()["dag_run"].run_id
        seen = pathlib.Path(os.environ["AIRFLOW_HOME"]) / f"poked-{run_id}"
        if seen.exists():
            return True
        seen.touch()
        return False

    @task
    def after_the_wait():
        return "waited"

    second_look() >> after_the_wait()

with DAG("cw_unfinished", schedule=None, start_date=start, catchup=False, max_active_runs=1):

    @task
    def already_done():
        return "done before the move"

    @task
    def not_yet():
        return "to do"

    # Nobody runs a triggerer: the task stays deferred, its run stays running, and the next run stays queued.
    already_done() >> TimeDeltaSensorAsync(task_id="deferred", delta=dt.timedelta(days=36500)) >> not_yet()
