"""The values that the matrix moves: run types and task states of a release, confs and XComs of all kinds."""

from __future__ import annotations

import datetime as dt
import os
import pickle
from decimal import Decimal

from writer import BASE, RELEASE, TEXT

# Without what the genuine upgrades refuse: two connections of one id or one without a type, two XComs of one key (1.10 to 2.x), half a
# character in an XCom (to 3.x: "Unicode low surrogate must follow a high surrogate").
UPGRADABLE = os.environ.get("MATRIX_UPGRADABLE") == "1"


def company_pickle() -> bytes:
    return b"\x80\x02ccompany_code.orders\nOrder\nq\x00)\x81q\x01}q\x02X\x02\x00\x00\x00idq\x03K\x07sb."


def hostile_pickle() -> bytes:
    return b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R."


def run_types() -> list:
    types = ["manual", "scheduled", "backfill"]
    if (2, 4) <= RELEASE < (3, 0):
        types.append("dataset_triggered")
    if RELEASE >= (3, 0):
        types.append("asset_triggered")
    if RELEASE >= (3, 2):
        types.append("asset_materialization")
    if RELEASE >= (3, 3):
        types.append("operator_triggered")
    return types


def confs() -> dict:
    values = {
        "none": None, "empty": {}, "unicode": {"ü": TEXT, "": "empty key"}, "big": {"n": 2**60, "f": 0.1, "deep": [[[{"a": []}]]]},
        "list_inside": {"l": [1, "two", None, True]},
    }
    if RELEASE < (3, 0):
        values.update({
            "dates": {"at": BASE, "on": dt.date(2023, 5, 1)}, "not_finite": {"nan": float("nan"), "inf": [float("inf")]},
            "set": {"only": {"one"}}, "nul": {"a": "b\x00c"}, "tuple": {"t": (1, 2)}, "decimal": {"d": Decimal("1.50")},
            "protocol_2": pickle.dumps({"a": [1, (2, "ü")], "b": {"c": None, "f": 0.1}}, 2),
            "empty_protocol_2": pickle.dumps({}, 2), "company": company_pickle(),
        })
    return values


def task_states() -> list:
    states = [None, "scheduled", "queued", "running", "success", "failed", "up_for_retry", "upstream_failed", "skipped", "removed",
              "up_for_reschedule"]
    if RELEASE < (3, 0):
        states.append("shutdown")
    if (2, 0) <= RELEASE < (2, 4):
        states.append("sensing")
    if RELEASE >= (2, 2):
        states += ["deferred", "restarting"]
    if RELEASE >= (3, 3):
        states.append("awaiting_input")
    return states


def values_of_xcoms() -> dict:
    """Values as the release's own XCom writes them; bytes are stored as they are."""
    plain = {"none": None, "true": True, "integer": 7, "float": 0.1, "text": TEXT, "list": [1, "two", 3.0, None], "empty": "",
             "dict": {"a": [1, {"b": None}], "ü": "漢字"}, "nested_empty": {"a": {}, "b": []}, "big": 2**53 + 1, "long": "y" * 20000}
    if RELEASE >= (3, 0):
        return plain
    raw = {
        "raw_nan": b"NaN", "raw_infinite": b'{"a": NaN, "b": [Infinity, -Infinity, 1], "t": "NaN, Infinity"}', "raw_null": b"null",
        "raw_nul_character": b'{"a\\u0000b": "c\\u0000d"}', "raw_half_a_character": b'"a\\ud800b"', "raw_duplicate": b'{"a": 1, "a": 2}',
        "raw_utf8": '"ü 漢字 🚀"'.encode(), "raw_sql_null": None, "raw_one": b"1.0", "raw_deep": b"[" * 40 + b"1" + b"]" * 40,
    }
    objects = {
        "none": None, "int": 7, "big": 2**100, "float": 0.1, "nan": float("nan"), "text": TEXT, "dict": {"a": [1, {"b": None}], "ü": "漢字"},
        "tuple": (1, ("two", None)), "set": {"one"}, "aware": BASE, "naive": BASE.replace(tzinfo=None), "date": dt.date(2023, 5, 1),
        "duration": dt.timedelta(days=-1, microseconds=5), "decimal": Decimal("1E-7"), "bytes_like": {"at": BASE, "l": (1,)},
    }
    for name, value in objects.items():
        raw["pickle_" + name] = pickle.dumps(value, 4)
    for protocol in (2, 3):
        raw["pickle_protocol_{}".format(protocol)] = pickle.dumps({"p": protocol, "s": {"x"}, "t": (1, 2)}, protocol)
    if UPGRADABLE:
        del raw["raw_half_a_character"]
    raw.update(pickle_company=company_pickle(), pickle_hostile=hostile_pickle(), pickle_cut_off=pickle.dumps({"a": "long"}, 4)[:-3])
    return {**plain, **raw}
