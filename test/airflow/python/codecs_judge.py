"""Reads JSON lines {kind, pickle, json} and prints, per line, "ok" or what differs.

kind "xcom": Airflow's own decoders must read json as an equal of the pickled value.
kind "pickle": the pickle must load as exactly what json.loads gives.
"""

import base64
import datetime
import json
import pickle
import sys

from airflow.utils.json import XComDecoder


def decoders():
    yield lambda text: json.loads(text, cls=XComDecoder)
    try:
        from airflow.sdk.serde import deserialize
    except ImportError:
        from airflow.serialization.serde import deserialize
    yield lambda text: deserialize(json.loads(text))


def same(read, value):
    # Python never calls times that clocks repeat equal across time zone classes (PEP 495), so compare the moment.
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        return isinstance(read, datetime.datetime) and read.timestamp() == value.timestamp() and str(read) == str(value)
    return read == value


def judge_xcom(case):
    value = pickle.loads(base64.b64decode(case["pickle"]))
    for decode in decoders():
        read = decode(case["json"])
        if not same(read, value):
            return f"{read!r} is not {value!r}"
    return "ok"


def judge_pickle(case):
    loaded = pickle.loads(base64.b64decode(case["pickle"]))
    expected = json.loads(case["json"])
    return "ok" if repr(loaded) == repr(expected) else f"{loaded!r} is not {expected!r}"


for line in sys.stdin:
    case = json.loads(line)
    try:
        print(json.dumps((judge_xcom if case["kind"] == "xcom" else judge_pickle)(case)))
    except Exception as error:
        print(json.dumps(repr(error)))
