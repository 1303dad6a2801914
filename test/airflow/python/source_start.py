"""Run by the source's own Python before its scheduler starts: registers the DAGs, unpauses them, asks for runs."""

from __future__ import annotations

import datetime as dt
import json
import sys

from airflow.api.common.trigger_dag import trigger_dag
from airflow.models.dag import DagModel
from airflow.models.dagbag import DagBag
from airflow.utils.session import create_session

UTC = dt.timezone.utc

nested_conf = {
    "country": "CH",
    "limits": {"rows": 10, "rate": 0.5, "big": 2**60},
    "names": ["ü", "漢字", "🚀"],
    "flag": True,
    "nothing": None,
}

runs = [
    ("cw_outcomes", "manual__outcomes", None),
    ("cw_mapped", "manual__mapped", None),
    ("cw_xcoms", "manual__xcoms", {}),
    ("cw_configured", "manual__nested", nested_conf),
    ("cw_configured", "my-own.id~1:2+3", {"text": "x" * 3000}),
    ("cw_producer", "manual__producer", None),
    ("cw_starter", "manual__starter", None),
    ("cw_sensor", "manual__sensor", None),
    ("cw_deleted", "manual__deleted", {"kept": "as history"}),
    ("cw_unfinished", "manual__running", None),
    ("cw_unfinished", "manual__queued", {"waits": True}),
]


def main() -> None:
    bag = DagBag(include_examples=False, read_dags_from_db=False)
    if bag.import_errors:
        raise SystemExit(json.dumps(bag.import_errors))
    bag.sync_to_db()
    with create_session() as session:
        for dag in session.query(DagModel):
            dag.is_paused = False
    for number, (dag_id, run_id, conf) in enumerate(runs):
        logical_date = dt.datetime(2024, 4, 1, 8, number, 0, 123456, tzinfo=UTC)
        trigger_dag(
            dag_id, run_id=run_id, conf=conf, execution_date=logical_date, replace_microseconds=False
        )
    json.dump({"dags": sorted(bag.dag_ids), "runs": len(runs)}, sys.stdout)


if __name__ == "__main__":
    main()
