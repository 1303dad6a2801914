"""Reads every row of user content and history through a release's own models and decoders.

Run by that release's own Python (2.10 or 3.x) under its own settings. Prints JSON:
{"read": {model: rows}, "failures": [{model, key, error}], "expected": [{model, key, error}]}

"expected" are values that the genuine migration leaves unreadable in the same way.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys

import airflow.models
from airflow.models.base import Base
from airflow.utils.session import create_session
from sqlalchemy import select
from sqlalchemy.inspection import inspect


def import_models() -> None:
    for module in pkgutil.iter_modules(airflow.models.__path__):
        try:
            importlib.import_module(f"airflow.models.{module.name}")
        except ImportError:
            continue


def mapped_classes():
    found = {mapper.class_ for mapper in Base.registry.mappers}
    return sorted(found, key=lambda cls: cls.__name__)


def read_connection(row) -> None:
    row.get_password() if hasattr(row, "get_password") else row.password
    row.get_extra() if hasattr(row, "get_extra") else row.extra
    if row.extra and row.extra.startswith("{"):
        json.loads(row.extra)
    row.get_uri()


def read_variable(row) -> None:
    if row.get_val() is None and row.is_encrypted:
        raise ValueError("the value cannot be decrypted")


def read_xcom(row) -> None:
    try:
        from airflow.sdk.serde import deserialize
    except ImportError:
        return  # 2.x decodes while it loads the row
    type(row).deserialize_value(row)
    deserialize(row.value)


def read_run(row) -> None:
    if row.conf is not None and not isinstance(row.conf, dict):
        raise TypeError(f"conf is a {type(row.conf).__name__}")
    row.get_log_template() if hasattr(row, "get_log_template") else None


def read_task_instance(row) -> None:
    str(row.executor_config)
    row.key
    row.dag_run.run_id


# Seen after `airflow db migrate` of 3.3.2 on a 2.10.5 database.
EXPECTED = (
    # A producer task of 2.10 leaves its datasets in an XCom of its own; 3.x has no such module, and no reader of it.
    ("XComModel", "No module named 'airflow.datasets'"),
    # Free text in a connection's extra, which releases before 3.0 allowed.
    ("Connection", "Encountered non-JSON in `extra` field"),
)

READERS = {
    "Connection": read_connection,
    "Variable": read_variable,
    "XCom": read_xcom,
    "BaseXCom": read_xcom,
    "XComModel": read_xcom,
    "DagRun": read_run,
    "TaskInstance": read_task_instance,
    "Trigger": lambda row: row.kwargs,
}


def read(session, cls, failures) -> int:
    """Row by row, so that one unreadable row hides no other."""
    name, keys = cls.__name__, inspect(cls).primary_key
    count = 0
    for key in session.execute(select(*keys)).all():
        count += 1
        try:
            row = session.get(cls, tuple(key))
            for column in inspect(cls).column_attrs:
                getattr(row, column.key)
            READERS.get(name, lambda _: None)(row)
        except Exception as error:
            session.rollback()
            failures.append({"model": name, "key": [str(part) for part in key], "error": repr(error)[:500]})
    session.expunge_all()
    return count


def main() -> None:
    import_models()
    counts, failures = {}, []
    with create_session() as session:
        for cls in mapped_classes():
            counts[cls.__name__] = read(session, cls, failures)
        session.rollback()
    expected = [one for one in failures if any(one["model"] == m and e in one["error"] for m, e in EXPECTED)]
    failures = [one for one in failures if one not in expected]
    json.dump({"read": counts, "failures": failures, "expected": expected}, sys.stdout)


if __name__ == "__main__":
    main()
