"""The XCom decoder of the Airflow that runs this, 3.0 or later."""

from __future__ import annotations


def decode(value):
    try:
        from airflow.sdk.serde import deserialize
    except ImportError:
        from airflow.serialization.serde import deserialize
    return deserialize(value)
