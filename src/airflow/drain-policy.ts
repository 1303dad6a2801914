import { END_DATES_VARIABLE } from "../domain/end-dates.ts";

/**
 * A module for `airflow_local_settings`, for Airflow 1.10 to 3.x: ends the DAGs that the variable names, so that their runs end and none is begun.
 * A failure in it would keep every DAG file from being imported: it changes nothing then. Names without an underscore would become settings
 * of Airflow (`import_local_settings`); 1.10 has no policy of DAGs, but one of tasks, which know theirs.
 */
export const DRAIN_POLICY = `"""Ends the DAGs that Crosswind drains: no new run begins, those that are under way end.

Save it as airflow_local_settings.py where PYTHONPATH finds it (AIRFLOW_HOME/config does), beside the scheduler (2.x) or
the DAG processor (3.x), and start that again. Where there is such a file, save this one beside it as crosswind_drain.py
and call it there:

    import crosswind_drain as _drain

    def dag_policy(dag):
        _drain.dag_policy(dag)
        ...

It does nothing until \`crosswind cutover --drain-policy\` has set the variable ${END_DATES_VARIABLE}.
"""

import json as _json
import logging as _logging
import time as _time

__all__ = ["dag_policy", "policy"]

_VARIABLE = "${END_DATES_VARIABLE}"
_SECONDS = 5
_known = {"until": 0.0, "dates": {}}


def _read():
    try:
        from airflow.sdk import Variable

        return Variable.get(_VARIABLE, default=None)
    except ImportError:
        from airflow.models import Variable

        return Variable.get(_VARIABLE, default_var=None)


def _end_dates():
    """Looked up once for all DAGs of a file."""
    if _time.time() >= _known["until"]:
        _known.update(dates=_json.loads(_read() or "{}"), until=_time.time() + _SECONDS)
    return _known["dates"]


def _earlier(date, end):
    return end if date is None or date > end else date


def dag_policy(dag):
    try:
        text = _end_dates().get(dag.dag_id)
        if text is None:
            return
        import pendulum

        end = pendulum.parse(text)
        dag.end_date = _earlier(dag.end_date, end)
        # Where every task has an end date, the latest of them counts (2.x).
        for task in dag.tasks:
            if task.end_date is not None:
                task.end_date = _earlier(task.end_date, end)
    except Exception:
        _logging.getLogger(__name__).exception("crosswind's drain policy left %s as it is", dag.dag_id)


def policy(task):
    """Airflow 1.10, which has no policy of DAGs."""
    if getattr(task, "dag", None) is not None:
        dag_policy(task.dag)
`;
