"""The other kinds: what lasts, waits, fails first or ends, clock changes, and schedules that are code. What is held waits until the test lets it go."""

from datetime import datetime, timedelta, timezone

import pendulum
from cutover_kit import (
    RELEASE,
    START,
    Dataset,
    EmptyOperator,
    PythonOperator,
    PythonSensor,
    dag,
    is_held,
    work,
)

BERLIN = pendulum.timezone("Europe/Berlin")
CONTEXT = {"provide_context": True} if RELEASE < (2, 0) else {}
CLOCKS_CHANGE = {
    "autumn": datetime(2026, 10, 25, 0, tzinfo=timezone.utc),
    "spring": datetime(2026, 3, 28, tzinfo=timezone.utc),
}

with dag("cut_downstream", "* * * * *", default_args={"wait_for_downstream": True, "depends_on_past": True}):
    EmptyOperator(task_id="work") >> EmptyOperator(task_id="after")

with dag("cut_once", "@once"):
    EmptyOperator(task_id="work")

with dag("cut_ended", "* * * * *", end_date=START + timedelta(minutes=2)):
    EmptyOperator(task_id="work")


def is_free():
    return not is_held("work")


def last():
    work(40 if is_held("work") else 0)


def fail_first():
    if is_held("work"):
        raise RuntimeError("held")


# Two tasks of 40 s each minute: there is never a gap between the runs.
with dag("cut_long", "* * * * *", max_active_runs=1):
    PythonOperator(task_id="work", python_callable=last) >> PythonOperator(task_id="after", python_callable=last)

with dag("cut_retry", "*/2 * * * *", max_active_runs=1):
    PythonOperator(task_id="work", python_callable=fail_first, retries=100, retry_delay=timedelta(seconds=10))

with dag("cut_reschedule", "*/2 * * * *", max_active_runs=1):
    before = EmptyOperator(task_id="before")
    before >> PythonSensor(task_id="work", python_callable=is_free, mode="reschedule", poke_interval=20)


def is_before_change(name, **context):
    date = context.get("logical_date") or context["execution_date"]
    return date < CLOCKS_CHANGE[name] or not is_held("change")


def across_change(dag_id, name, schedule, start, end):
    with dag("cut_" + dag_id, schedule, start_date=start, end_date=end, max_active_runs=1):
        PythonSensor(
            task_id="work",
            python_callable=is_before_change,
            op_args=[name],
            mode="reschedule",
            poke_interval=30,
            **CONTEXT
        )
    # The same, and never switched: what Airflow makes of it by itself.
    with dag("ref_" + dag_id, schedule, start_date=start, end_date=end):
        EmptyOperator(task_id="work")


# 02:30 is there twice in autumn; every hour has its run.
across_change(
    "autumn", "autumn", "30 * * * *", datetime(2026, 10, 24, 22, tzinfo=BERLIN), datetime(2026, 10, 25, 5, tzinfo=BERLIN)
)
# 02:30 is not there in spring.
across_change(
    "spring", "spring", "30 2 * * *", datetime(2026, 3, 25, tzinfo=BERLIN), datetime(2026, 4, 1, tzinfo=BERLIN)
)

if RELEASE >= (2, 2):
    from cutover_plugin import EveryOtherMinute, HeldOperator

    with dag("cut_timetable", EveryOtherMinute()):
        EmptyOperator(task_id="work")

    with dag("cut_deferred", "*/2 * * * *", max_active_runs=1):
        HeldOperator(task_id="work")

if Dataset is not None:
    RARE = Dataset("s3://cutover/rare")

    with dag("cut_rare", None):
        PythonOperator(task_id="work", python_callable=work, outlets=[RARE])

    OFTEN = Dataset("s3://cutover/often")

    with dag("cut_often", None):
        PythonOperator(task_id="work", python_callable=work, outlets=[OFTEN])

    with dag("cut_both", [OFTEN, RARE]):
        EmptyOperator(task_id="work")
