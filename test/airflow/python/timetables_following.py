"""The ticks of schedules in a genuine Airflow before 2.2, which has no timetables: one JSON case a line in, one answer a line out.

The answer has the DAG as this release serialises it, and what `following_schedule` gives one after the other, from the first moment of `between`.
"""

import datetime
import json
import logging
import sys

import pendulum
from dateutil.relativedelta import relativedelta

logging.disable(logging.CRITICAL)

from airflow.models import DAG  # noqa: E402
from airflow.serialization.serialized_objects import SerializedDAG  # noqa: E402


def schedule_of(schedule):
    if schedule["kind"] == "delta":
        delta = schedule["delta"]
        return relativedelta(**delta) if isinstance(delta, dict) else datetime.timedelta(seconds=delta)
    return schedule["expression"]


def is_unknown(schedule):
    """What this release refuses: it has no quarters, its croniter no last weekdays, and its serialisation no fixed offsets."""
    return schedule.get("expression") in ("@quarterly", "0 0 * * L5") or isinstance(schedule.get("zone"), int)


def answer(case):
    schedule = case["schedule"]
    if schedule["kind"] not in ("cron", "delta") or case["start"] is None or is_unknown(schedule):
        return {"absent": True}
    start = pendulum.parse(case["start"]).in_timezone(pendulum.timezone(schedule.get("zone", "UTC")))
    dag = DAG("one", start_date=start, schedule_interval=schedule_of(schedule))
    data = json.loads(json.dumps(SerializedDAG.to_dict(dag)))
    read = SerializedDAG.from_dict(json.loads(json.dumps(data)))
    moment, latest = (pendulum.parse(each) for each in case["between"])
    found = []
    while len(found) < 40 and moment <= latest:
        moment = read.following_schedule(moment)
        found.append(pendulum.instance(moment).in_timezone("UTC").isoformat())
    return {"data": data, "ticks": found}


for line in sys.stdin:
    case = json.loads(line)
    try:
        result = answer(case)
    except Exception as error:  # noqa: BLE001
        result = {"error": "%s: %s" % (type(error).__name__, error)}
    print(json.dumps(result), flush=True)
