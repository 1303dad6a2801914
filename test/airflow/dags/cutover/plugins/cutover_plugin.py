"""A timetable that is code, and a task that defers until the test lets it go. Airflow 2.2 and later."""

import asyncio
import os
from datetime import timedelta

from airflow.models.baseoperator import BaseOperator
from airflow.plugins_manager import AirflowPlugin
from airflow.timetables.base import DagRunInfo, DataInterval, Timetable
from airflow.triggers.base import BaseTrigger, TriggerEvent

STEP = timedelta(minutes=2)


class EveryOtherMinute(Timetable):
    """An interval of two minutes after the other, from the start date on."""

    def infer_manual_data_interval(self, *, run_after):
        return DataInterval(start=run_after - STEP, end=run_after)

    def next_dagrun_info(self, *, last_automated_data_interval, restriction):
        start = restriction.earliest if last_automated_data_interval is None else last_automated_data_interval.end
        return DagRunInfo.interval(start=start, end=start + STEP)


class HeldTrigger(BaseTrigger):
    def __init__(self, path):
        super().__init__()
        self.path = path

    def serialize(self):
        return "cutover_plugin.HeldTrigger", {"path": self.path}

    async def run(self):
        while os.path.exists(self.path):
            await asyncio.sleep(1)
        yield TriggerEvent("free")


class HeldOperator(BaseOperator):
    def execute(self, context):
        self.defer(trigger=HeldTrigger(os.path.join(os.environ["CUTOVER_HOLDS"], "work")), method_name="go_on")

    def go_on(self, context, event=None):
        return event


class CutoverPlugin(AirflowPlugin):
    name = "cutover"
    timetables = [EveryOtherMinute]
