"""The rows of a metadata database as they lie there, with secrets decrypted, as JSON can hold them.

Run by any release's Python. Knows nothing of Crosswind: plain SELECTs of every column, psycopg2 and cryptography.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from decimal import Decimal

import psycopg2
import psycopg2.extras
from cryptography.fernet import Fernet, MultiFernet

TABLES = """connection variable slot_pool team dag_bundle_team log_template dag dag_favorite dataset dataset_event asset asset_event
    dagrun_dataset_event dagrun_asset_event backfill backfill_dag_run dag_run dag_run_note task_instance task_instance_history
    task_instance_note task_reschedule task_fail sla_miss task_map xcom rendered_task_instance_fields hitl_detail hitl_detail_history
    task_state_store asset_state_store log""".split()
SECRETS = {"connection": (("password", "is_encrypted"), ("extra", "is_extra_encrypted")), "variable": (("val", "is_encrypted"),)}


def plain(value, kind):
    """Dates in UTC, whether the column has a time zone or not; marks for what JSON has no form of."""
    if value is None:
        return None
    if kind in ("json", "jsonb"):
        return {"json": json.loads(value)}
    if isinstance(value, dt.datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=dt.timezone.utc)
        return {"at": aware.astimezone(dt.timezone.utc).isoformat(timespec="microseconds")}
    if isinstance(value, (memoryview, bytes)):
        return {"bytes": bytes(value).hex()}
    if isinstance(value, (Decimal, uuid.UUID)):
        return str(value)
    return value


def opener(keys):
    fernet = MultiFernet([Fernet(key.strip()) for key in keys.split(",")])
    return lambda token: fernet.decrypt(token.encode()).decode()


def read_tables(url, keys) -> dict:
    """{table: [{column: value}]} of the tables that are there, each in the order of its first column named id, else as it comes."""
    connection = psycopg2.connect(url, options="-c TimeZone=UTC")
    connection.set_session(readonly=True, isolation_level="REPEATABLE READ")
    open_token, found = opener(keys), {}
    with connection, connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute("select column_name, data_type from information_schema.columns where table_schema = 'public' and table_name = %s"
                           " order by ordinal_position", (table,))
            columns = cursor.fetchall()
            if columns:
                found[table] = read_table(connection, table, columns)
    for table, secrets in SECRETS.items():
        for row in found[table]:
            for column, flag in secrets:
                if row[flag] and row[column]:
                    row[column] = open_token(row[column])
    return found


def read_table(connection, table, columns) -> list:
    names = ", ".join('"{}"{}'.format(name, "::text" if kind in ("json", "jsonb") else "") for name, kind in columns)
    order = " order by id" if ("id", "integer") in columns else ""
    with connection.cursor() as cursor:
        cursor.execute('select {} from "{}"{}'.format(names, table, order))
        return [{name: plain(value, kind) for (name, kind), value in zip(columns, row)} for row in cursor]
