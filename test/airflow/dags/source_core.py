"""What every environment has: schedules, outcomes, mapped tasks, XComs of every kind, configured runs.

Valid on Airflow 2.10 and on Airflow 3, so that an imported task can be cleared and run again on the target.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

try:  # Airflow 3
    from airflow.sdk import DAG, get_current_context, setup, task, task_group, teardown
    from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
except ImportError:
    try:
        from airflow.sdk import DAG, get_current_context, setup, task, task_group, teardown
        from airflow.exceptions import AirflowFailException, AirflowSkipException
    except ImportError:  # Airflow 2
        from airflow import DAG
        from airflow.decorators import setup, task, task_group, teardown
        from airflow.exceptions import AirflowFailException, AirflowSkipException
        from airflow.operators.python import get_current_context

UTC = dt.timezone.utc
quick = {"owner": "crosswind", "retry_delay": dt.timedelta(seconds=1)}

with DAG(
    "cw_scheduled",
    schedule="0 0 * * *",
    start_date=dt.datetime(2024, 3, 1, tzinfo=UTC),
    end_date=dt.datetime(2024, 3, 3, tzinfo=UTC),
    catchup=True,
    max_active_runs=3,
    default_args=quick,
    tags=["crosswind", "nightly"],
    doc_md="Three nights of catch-up.",
):

    @task
    def extract(day: str) -> dict:
        return {"day": day, "rows": 3}

    @task(doc_md="Adds one.")
    def load(extracted: dict) -> int:
        return extracted["rows"] + 1

    load(extract("{{ ds }}"))

with DAG(
    "cw_outcomes", schedule=None, start_date=dt.datetime(2024, 1, 1, tzinfo=UTC), catchup=False, default_args=quick
):

    @setup
    def rent():
        return "machine-1"

    @teardown(on_failure_fail_dagrun=False)
    def give_back():
        return None

    @task
    def succeed():
        return "done"

    @task(retries=1)
    def exhaust_retries():
        raise ValueError("never works: ü 漢字 🚀")

    @task(retries=2)
    def second_time_lucky():
        if get_current_context()["ti"].try_number < 2:
            raise RuntimeError("not yet")
        return "second try"

    @task
    def fail_at_once():
        raise AirflowFailException("no retry wanted")

    @task
    def skip_myself():
        raise AirflowSkipException("nothing to do")

    @task.branch
    def choose():
        return "chosen"

    @task
    def chosen():
        return 1

    @task
    def not_chosen():
        return 0

    @task
    def after_failure():
        return "never runs"

    @task(trigger_rule="all_done", executor_config={"note": "kept as it is", "limits": {"cpu": 1}})
    def clean_up():
        return None

    rented, returned = rent(), give_back()
    rented >> succeed() >> returned
    rented >> returned
    failed = exhaust_retries()
    failed >> after_failure()
    [failed, second_time_lucky(), fail_at_once(), skip_myself()] >> clean_up()
    choose() >> [chosen(), not_chosen()]

with DAG(
    "cw_mapped", schedule=None, start_date=dt.datetime(2024, 1, 1, tzinfo=UTC), catchup=False, default_args=quick
):

    @task
    def list_files() -> list:
        return ["a.csv", "b.csv", "ü 漢字.csv"]

    @task(map_index_template="{{ file_name }}")
    def read_file(name: str) -> int:
        get_current_context()["file_name"] = f"file {name}"
        return len(name)

    @task
    def add_up(lengths) -> int:
        return sum(lengths)

    @task
    def list_parts() -> dict:
        return {"left": 1, "right": 2}

    @task
    def show_part(part):
        return list(part)

    @task
    def list_nothing() -> list:
        return []

    @task
    def never_mapped(item):
        return item

    @task_group
    def checks():
        @task
        def count():
            return 2

        @task
        def compare(counted: int):
            return counted == 2

        compare(count())

    add_up(read_file.expand(name=list_files())) >> checks()
    show_part.expand(part=list_parts())
    never_mapped.expand(item=list_nothing())

with DAG("cw_xcoms", schedule=None, start_date=dt.datetime(2024, 1, 1, tzinfo=UTC), catchup=False, default_args=quick):

    @task
    def push_everything():
        values = {
            "integer": 42,
            "big_integer": 2**63 - 1,
            "negative": -1,
            "float": 0.1,
            "small_float": 5e-324,
            "text": "ü 漢字 🚀 \"quoted\" \\ back\nnew line\ttab",
            "empty_text": "",
            "yes": True,
            "no": False,
            "nothing": None,
            "nested": {"list": [1, [2, {"deep": None}]], "ü": {"": "empty key"}, "mixed": [True, 1.5, "x"]},
            "empty_dict": {},
            "empty_list": [],
            "tuple": (1, "two", (3.0,)),
            "set": {"only one"},
            "frozen_set": frozenset([7]),
            "aware_datetime": dt.datetime(2024, 2, 29, 12, 30, 45, 123456, tzinfo=UTC),
            "date": dt.date(2024, 2, 29),
            "duration": dt.timedelta(days=1, seconds=2, microseconds=3),
            "decimal": Decimal("12.340"),
            "looks_like_json": '{"not": "parsed"}',
            "long_text": "0123456789" * 2000,
        }
        ti = get_current_context()["ti"]
        for key, value in values.items():
            ti.xcom_push(key=key, value=value)
        return {"pushed": len(values)}

    @task(multiple_outputs=True)
    def several_outputs():
        return {"first": 1, "second": ["two"]}

    push_everything() >> several_outputs()

with DAG(
    "cw_configured",
    schedule=None,
    start_date=dt.datetime(2024, 1, 1, tzinfo=UTC),
    catchup=False,
    default_args=quick,
    params={"country": "CH"},
):

    @task
    def use_conf(text: str):
        return {"text": text, "conf": dict(get_current_context()["dag_run"].conf or {})}

    use_conf("{{ dag_run.conf }} for {{ params.country }} on {{ run_id }}")
