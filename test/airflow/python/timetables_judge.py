"""What a genuine Airflow computes for schedules: one JSON case a line in, one answer a line out.

A case has `schedule` (how the DAG file would say it), `start`, `end`, `catchup`, `ends` (of its tasks), and `questions` of `now` and
`lag` (seconds from now back to where the newest run was, null for none) or `last` (its interval). The answer has the DAG as this release
serialises it, the interval that each question was asked with and its next run, and the runs of `between`.
"""

import datetime
import json
import logging
import sys
import types

import pendulum

logging.disable(logging.CRITICAL)

from dateutil.relativedelta import relativedelta  # noqa: E402

import airflow  # noqa: E402
import airflow.timetables.interval  # noqa: E402
import airflow.timetables.simple  # noqa: E402
from airflow.timetables.base import DataInterval, TimeRestriction  # noqa: E402

try:  # loaded before their clocks are stopped
    import airflow.timetables.events  # noqa: F401
    import airflow.timetables.trigger  # noqa: F401
except ImportError:
    pass

MAJOR, MINOR = (int(part) for part in airflow.__version__.split(".")[:2])
NOW = {"value": pendulum.datetime(2025, 1, 1)}


def now():
    return NOW["value"]


def freeze():
    """Every clock that a timetable of any release reads."""
    pendulum.DateTime.utcnow = classmethod(lambda cls: now())
    for name, module in list(sys.modules.items()):
        if name.startswith("airflow") and "timetables" in name or "timezone" in name:
            if callable(getattr(module, "utcnow", None)):
                module.utcnow = now
    trigger = sys.modules.get("airflow.timetables.trigger")
    if trigger is not None and hasattr(trigger, "time"):
        trigger.time = types.SimpleNamespace(time=lambda: now().timestamp())


def moment(text):
    return None if text is None else pendulum.parse(text)


def zone(value):
    if isinstance(value, int):
        return pendulum.timezone(value)
    return pendulum.timezone(value)


def delta(value):
    if isinstance(value, dict):
        return relativedelta(**value)
    return datetime.timedelta(seconds=value)


def timetable_of(schedule):
    """The argument of the DAG that stands for a schedule; None where this release has no such class."""
    kind = schedule["kind"]
    if schedule.get("expression") == "@continuous" and (MAJOR, MINOR) < (2, 6):
        return None
    if kind in ("cron", "word"):
        return {"plain": schedule["expression"]}
    if kind == "none":
        return {"plain": None}
    if kind == "delta":
        return {"plain": delta(schedule["delta"])}
    try:
        from airflow.timetables import trigger
        from airflow.timetables import events
    except ImportError:
        return None
    if kind == "events":
        return {"timetable": events.EventsTimetable([moment(each) for each in schedule["dates"]])}
    extra = {"interval": delta(schedule["interval"])}
    if kind == "delta-trigger":
        cls = getattr(trigger, "DeltaTriggerTimetable", None)
        return cls and {"timetable": cls(delta(schedule["delta"]), **extra)}
    if schedule.get("immediately") is not None:
        if not hasattr(trigger, "DeltaTriggerTimetable"):
            return None
        value = schedule["immediately"]
        extra["run_immediately"] = value if isinstance(value, bool) else datetime.timedelta(seconds=value)
    extra["timezone"] = zone(schedule["zone"])
    if kind == "cron-trigger":
        return {"timetable": trigger.CronTriggerTimetable(schedule["expression"], **extra)}
    if kind == "cron-triggers":
        cls = getattr(trigger, "MultipleCronTriggerTimetable", None)
        return cls and {"timetable": cls(*schedule["expressions"], **extra)}
    raise ValueError(kind)


def dag_of(case):
    made = timetable_of(case["schedule"])
    if made is None:
        return None
    if MAJOR >= 3:
        from airflow.sdk import DAG
    else:
        from airflow.models.dag import DAG
    arguments = {}
    if "timetable" in made and MAJOR == 2 and MINOR < 4:
        arguments["timetable"] = made["timetable"]
    else:
        arguments["schedule_interval" if MAJOR == 2 and MINOR < 4 else "schedule"] = made.get("timetable", made.get("plain"))
    if case["schedule"].get("expression") == "@continuous":
        arguments["max_active_runs"] = 1
    start = moment(case["start"])
    if start is not None and "zone" in case["schedule"]:
        start = start.in_timezone(zone(case["schedule"]["zone"]))
    dag = DAG("one", start_date=start, end_date=moment(case["end"]), catchup=case["catchup"], **arguments)
    for number, end in enumerate(case["ends"]):
        task(dag, "t%d" % number, moment(end))
    return dag


def task(dag, task_id, end):
    if MAJOR >= 3:
        from airflow.providers.standard.operators.empty import EmptyOperator as Operator
    elif (MAJOR, MINOR) >= (2, 4):
        from airflow.operators.empty import EmptyOperator as Operator
    else:
        from airflow.operators.dummy import DummyOperator as Operator
    Operator(task_id=task_id, dag=dag, **({} if end is None else {"end_date": end}))


def serialised(dag):
    try:
        from airflow.serialization.serialized_objects import DagSerialization as Serialized
    except ImportError:
        from airflow.serialization.serialized_objects import SerializedDAG as Serialized
    data = json.loads(json.dumps(Serialized.to_dict(dag)))
    return data, Serialized.from_dict(json.loads(json.dumps(data)))


def text(value):
    return None if value is None else pendulum.instance(value).in_timezone("UTC").isoformat()


def info(run):
    if run is None:
        return None
    interval = run.data_interval
    return {
        "logical": text(run.logical_date),
        "start": text(interval.start),
        "end": text(interval.end),
        "after": text(run.run_after),
    }


def guarded(work):
    try:
        return work()
    except Exception as error:  # noqa: BLE001
        return {"error": "%s: %s" % (type(error).__name__, error)}


def last_of(dag, question):
    if question.get("last") is not None:
        return DataInterval(*(moment(each) for each in question["last"]))
    if question.get("lag") is None:
        return None
    return dag.timetable.infer_manual_data_interval(run_after=now() - datetime.timedelta(seconds=question["lag"]))


def ask(dag, question):
    NOW["value"] = moment(question["now"])

    def work():
        last = last_of(dag, question)
        run = dag.timetable.next_dagrun_info(last_automated_data_interval=last, restriction=dag._time_restriction)
        return {"last": last and [text(last.start), text(last.end)], "run": info(run)}

    return guarded(work)


def between(dag, case):
    if case.get("between") is None:
        return None

    def work():
        earliest, latest = (moment(each) for each in case["between"])
        found, last = [], None
        restriction = TimeRestriction(earliest, latest, catchup=True)
        while len(found) < 40:
            run = dag.timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
            if run is None:
                break
            found.append(info(run))
            last = run.data_interval
        return found

    return guarded(work)


def answer(case):
    try:
        dag = dag_of(case)
    except ValueError as error:
        # Which DAGs may do without a start date is the release's own.
        if "start_date" not in str(error):
            raise
        dag = None
    if dag is None:
        return {"absent": True}
    data, read = serialised(dag)
    restriction = read._time_restriction
    return {
        "data": data,
        "restriction": [text(restriction.earliest), text(restriction.latest), restriction.catchup],
        "answers": [ask(read, question) for question in case["questions"]],
        "between": between(read, case),
    }


freeze()
for line in sys.stdin:
    case = json.loads(line)
    print(json.dumps(guarded(lambda: answer(case))), flush=True)
