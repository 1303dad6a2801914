"""Inserts rows into a release's own tables, through its own column types, whatever columns it has."""

from __future__ import annotations

import datetime as dt
import pickle
import uuid

from models import Base, release_of

UTC = dt.timezone.utc
BASE = dt.datetime(2023, 5, 1, 2, 3, 4, 567891, tzinfo=UTC)
TEXT = "ü 漢字 🚀 'single' \"double\" \\ back\ttab\nline"
RELEASE = release_of()
# What a column is called before 3.0.
OLDER_NAMES = {"logical_date": "execution_date", "asset_id": "dataset_id"}
# Filled by hand or not at all: they point to rows that have to be there.
REFERENCES = set("""id trigger_id dag_version_id created_dag_version_id backfill_id team_id team_name user_id ti_id task_instance_id
    log_template_id partition_key partition_date dag_result""".split())


def filled(column):
    """A value for a column that nothing else is known about; different columns get different ones."""
    kind = type(column.type).__name__
    python = getattr(column.type, "enum_class", None)
    if python is not None:
        return list(python)[0]
    if kind in ("UtcDateTime", "TIMESTAMP", "DateTime"):
        moment = BASE + dt.timedelta(seconds=sum(map(ord, column.name)))
        aware = kind != "DateTime" or getattr(column.type, "timezone", False)
        return moment if aware else moment.replace(tzinfo=None)
    if kind in ("Integer", "BigInteger", "BIGINT"):
        return 40 + len(column.name)
    if kind in ("Float", "FLOAT"):
        return 12.402117
    if kind == "Boolean":
        return True
    if "JSON" in kind or kind == "Variant" and "JSON" in repr(column.type):
        return {"ü": [1, None, 2.5, {"deep": "漢字"}]}
    if "PickleType" in kind or "ExecutorConfig" in kind:
        return {"a": [1, "ü"]}
    if kind == "LargeBinary":
        return pickle.dumps({"a": 1}, 2)
    length = getattr(column.type, "length", None) or 5000
    return (column.name + " " + TEXT)[:length]


# Ids that the models make in Python, past the table.
UUIDS = {"task_instance": "id", "task_instance_history": "task_instance_id", "team": "id"}


def a_uuid7():
    number, time = uuid.uuid4().int, int(BASE.timestamp() * 1000)
    made = uuid.UUID(int=time << 80 | 7 << 76 | (number >> 64 & 0xFFF) << 64 | 2 << 62 | number & (1 << 62) - 1)
    return str(made) if RELEASE < (3, 2) else made


class Writer:
    """Inserts into the release's own tables; a value of a column that the release does not have is left out."""

    def __init__(self, session):
        from sqlalchemy import null

        self.session, self.null, self.tables = session, null(), Base.metadata.tables

    def has(self, table, column=None) -> bool:
        return table in self.tables and (column is None or column in self.tables[table].c)

    def put(self, table, how="plain", **given):
        """`how`: plain (what is given), full (every column has a value), bare (every other column that may be is NULL)."""
        if table not in self.tables:
            return None
        table = self.tables[table]
        row = {}
        for name, value in given.items():
            name = name if name in table.c else OLDER_NAMES.get(name, name)
            if name in table.c:
                row[name] = self.null if value is None else value
        for column in table.c:
            if UUIDS.get(table.name) == column.name and column.name not in row and RELEASE >= (3, 0):
                row[column.name] = a_uuid7()
            if column.name in row or column.name in REFERENCES:
                continue
            if how == "full":
                row[column.name] = filled(column)
            elif how == "bare" and column.nullable and not column.primary_key:
                row[column.name] = self.null
        result = self.session.execute(table.insert().values(**row))
        key = result.inserted_primary_key
        return key[0] if key is not None and len(key) > 0 else None

    def run(self, sql, **values):
        from sqlalchemy import text

        return self.session.execute(text(sql), values)
