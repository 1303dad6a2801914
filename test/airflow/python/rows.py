"""Shared by the proofs: rows of a database in a form that JSON holds, and how two values are compared."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from decimal import Decimal

import psycopg2
import psycopg2.extras
from cryptography.fernet import Fernet, MultiFernet


def connect(url: str):
    connection = psycopg2.connect(url, options="-c TimeZone=UTC")
    connection.set_session(readonly=True, isolation_level="REPEATABLE READ")
    return connection


def fetch(connection, sql: str) -> list[dict]:
    """JSON columns arrive as text in the `::text` casts of the callers or parsed by psycopg2."""
    with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
        cursor.execute(sql)
        return [{name: plain(value) for name, value in row.items()} for row in cursor]


def plain(value):
    """A value as JSON can hold it; kinds that JSON lacks keep a mark, so that they never equal a text."""
    if isinstance(value, dt.datetime):
        return {"at": value.astimezone(dt.timezone.utc).isoformat() if value.tzinfo else value.isoformat()}
    if isinstance(value, (memoryview, bytes)):
        return {"bytes": bytes(value).hex()}
    if isinstance(value, (Decimal, uuid.UUID)):
        return str(value)
    return value


def form(value):
    """A Python value as JSON that two interpreters agree on: what it is and what it holds, not how it was written down."""
    if isinstance(value, dt.datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=dt.timezone.utc)  # workers that run in UTC
        return {"moment": moment.astimezone(dt.timezone.utc).isoformat(timespec="microseconds")}
    if isinstance(value, (dt.date, dt.time)):
        return {type(value).__name__: value.isoformat()}
    if isinstance(value, dt.timedelta):
        return {"seconds": value.total_seconds()}
    if isinstance(value, (Decimal, uuid.UUID)):
        return {type(value).__name__: str(value)}
    if isinstance(value, dict):
        return {"dict": sorted(([str(name), form(item)] for name, item in value.items()), key=json.dumps)}
    if isinstance(value, (list, tuple)):
        return {"tuple" if isinstance(value, tuple) else "list": [form(item) for item in value]}
    if isinstance(value, (set, frozenset)):
        return {type(value).__name__: sorted((form(item) for item in value), key=json.dumps)}
    return value


def opener(keys: str):
    """Decrypts Fernet tokens with any key of a comma-separated list."""
    fernet = MultiFernet([Fernet(key.strip()) for key in keys.split(",")])
    return lambda token: fernet.decrypt(token.encode()).decode()


def key_text(row: dict, names: list[str]) -> str:
    return json.dumps([row[name] for name in names], ensure_ascii=False, sort_keys=True)
