"""Prints one JSON line per pickled value of a broad corpus.

Each line: name, pickle (base64), plain (the JSON text expected where types become text, or null where none is stated),
exact (true when a genuine XCom decoder must give back an equal value).
"""

import base64
import collections
import datetime as dt
import decimal
import json
import math
import pickle
import random
import uuid
import zoneinfo

import pendulum
from airflow.utils.state import TaskInstanceState

try:
    import dill
except ImportError:
    dill = None

UTC = dt.timezone.utc
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


def plain_values():
    """Values whose plain JSON follows from json.dumps and the rules for NaN, NUL and surrogates."""
    yield from [None, True, False, 0, 1, -1, 255, 256, 65535, 65536, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1]
    yield from [2**53, 2**53 + 1, -(2**53) - 1, 2**63, -(2**63), 2**64, 10**40, -(10**40), 10**4000, 256**255 - 1, -(256**128)]
    yield from [0.0, -0.0, 1.0, 0.1, 1e15, 1e16, 123456789012345680.0, 1e22, 1e-4, 1e-5, 1.5e-7, 5e-324, 1.7976931348623157e308]
    yield from [math.nan, math.inf, -math.inf, [math.nan, {"a": math.inf}]]
    yield from ["", "a", "ä", "日本", "😀", "a\x00b", "\\u0000", "\ud800", "x\udfff\ud800", "line\nbreak\r\t\\\"'", "\x1f\x7f", "\ufffd", "\ufeff"]
    yield from ["x" * 255, "x" * 256, "é" * 70000, "~" * 23]
    yield from [[], {}, [[]], [{}], {"a": {}}, [1, [2, [3, [4]]]], {"": ""}, {"__proto__": {"x": 1}, "constructor": 2}]
    yield {str(n): n for n in range(1500)}
    yield list(range(1500))
    yield [[n] for n in range(1500)]
    yield {1: "a", 1.5: "b", True: "c", None: "d", -0.5: "e"}
    shared = ["same", {"k": "v"}]
    yield [shared, shared, {"again": shared}]
    yield {"conf": {"date": "2024-01-01", "force": True}, "n": [1, 2.5, None]}
    yield collections.OrderedDict([("b", 1), ("a", 2)])
    yield collections.defaultdict(list, {"a": [1]})
    yield collections.Counter("aab")
    yield TaskInstanceState.SUCCESS
    deep = []
    for _ in range(150):
        deep = [deep]
    yield deep
    rng = random.Random(7)
    for _ in range(60):
        yield random_value(rng, 4)


def random_value(rng, depth):
    kind = rng.randrange(9 if depth else 6)
    if kind == 0:
        return rng.choice([None, True, False])
    if kind == 1:
        return rng.randrange(-(10**rng.randrange(1, 30)), 10**rng.randrange(1, 30))
    if kind in (2, 3):
        return rng.random() * 10.0 ** rng.randrange(-20, 20)
    if kind in (4, 5):
        return "".join(chr(rng.choice([rng.randrange(1, 128), rng.randrange(0xA0, 0xD7FF)])) for _ in range(rng.randrange(12)))
    if kind == 6:
        return [random_value(rng, depth - 1) for _ in range(rng.randrange(6))]
    return {f"k{n}": random_value(rng, depth - 1) for n in range(rng.randrange(6))}


def typed_values():
    """Values with types that JSON lacks, the plain JSON expected for each, and whether XCom must give them back."""
    for value in [(), (1,), (1, (2, 3)), [(1, 2), {"a": (3,)}]]:
        yield value, json.loads(json.dumps(value)), True
    for value in [set(), {1}, frozenset(), frozenset(["a"])]:
        yield value, list(value), True
    yield {(1, "a"), (2, "b")}, None, True
    # A genuine decoder turns a frozenset inside of a set into a list, and fails.
    yield {frozenset([1, 2])}, None, False
    for value in [
        dt.datetime(2024, 2, 29, 1, 2, 3, 4),
        dt.datetime(1970, 1, 1),
        dt.datetime(1960, 5, 5, 5, 5, 5, 123456),
        dt.datetime(2024, 1, 1, tzinfo=UTC),
        dt.datetime(2030, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30))),
        dt.datetime(2024, 1, 1, tzinfo=dt.timezone(-dt.timedelta(hours=3, minutes=30), "X")),
        dt.datetime(2024, 7, 1, 12, tzinfo=BERLIN),
        dt.datetime(2024, 1, 1, 12, tzinfo=BERLIN),
        dt.datetime(2024, 3, 31, 2, 30, tzinfo=BERLIN),
        dt.datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN),
        dt.datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=1),
        dt.datetime(1900, 1, 1, tzinfo=zoneinfo.ZoneInfo("Asia/Tokyo")),
        pendulum.datetime(2024, 1, 1, 2, 3, 4, 5),
        pendulum.datetime(2024, 7, 1, tz="America/New_York"),
        pendulum.datetime(2024, 7, 1, tz=pendulum.tz.timezone.FixedTimezone(3600)),
        pendulum.date(2024, 1, 2),
        dt.date(2024, 1, 2),
        dt.date(1, 1, 1),
        dt.date(9999, 12, 31),
    ]:
        is_moment_python_cannot_keep = getattr(value, "tzinfo", None) is BERLIN and value.month == 3
        # Times that clocks skip come back moved.
        yield value, None if is_moment_python_cannot_keep else value.isoformat(), not is_moment_python_cannot_keep
    for value in [dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, tzinfo=UTC), dt.time(1, 2, 3), dt.time(1, 2, 3, 4, tzinfo=UTC)]:
        yield value, value.isoformat(), False
    yield pendulum.time(1, 2, 3), "01:02:03", False
    for value in [dt.timedelta(0), dt.timedelta(1), dt.timedelta(days=-1, microseconds=1), dt.timedelta(days=400, seconds=7)]:
        yield value, str(value), True
    yield pendulum.duration(days=2, hours=1), "2 days, 1:00:00", True
    for text in ["0", "1", "-1", "1.50", "-0.1", "1E+3", "1E-30", "0.1234567890123456789", "123456789012345678901234567890.5", "-0", "Infinity"]:
        yield decimal.Decimal(text), text, True
    yield decimal.Decimal("NaN"), "NaN", False
    yield uuid.UUID(int=5), str(uuid.UUID(int=5)), True
    yield {"id": uuid.UUID("12345678123456781234567812345678")}, {"id": "12345678-1234-5678-1234-567812345678"}, True
    yield b"", "", False
    yield b"text", "text", False
    yield b"\xff\x00", "/wA=", False
    yield bytearray(b"x"), "x", False
    yield 1 + 2j, "(1+2j)", False
    yield -2.5j, "(-0-2.5j)", False
    yield {(1, "a"): 1, dt.date(2024, 1, 1): 2}, {"(1, 'a')": 1, "2024-01-01": 2}, False
    for zone in [pendulum.timezone("Europe/Paris"), zoneinfo.ZoneInfo("Asia/Tokyo")]:
        yield zone, str(getattr(zone, "key", zone)), True


def shown(value):
    """What strict JSON may hold of a value: the project's own rules, written down a second time."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, str):
        return "".join(f"\\u{ord(c):04x}" if c == "\0" or 0xD800 <= ord(c) <= 0xDFFF else c for c in value)
    if isinstance(value, list):
        return [shown(item) for item in value]
    if isinstance(value, dict):
        return {shown(key): shown(item) for key, item in value.items()}
    return value


def text(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def emit(name, pickled, plain, exact):
    print(json.dumps({"name": name, "pickle": base64.b64encode(pickled).decode(), "plain": plain, "exact": exact}))


def main():
    libraries = [("pickle", pickle)] + ([("dill", dill)] if dill else [])
    cases = [(value, text(shown(value)), None) for value in plain_values()]
    cases += [(value, None if plain is None else text(plain), exact) for value, plain, exact in typed_values()]
    for value, plain, exact in cases:
        for library, module in libraries:
            for protocol in range(6):
                pickled = module.dumps(value, protocol)
                if isinstance(value, dt.datetime) and plain is not None:
                    plain = text(pickle.loads(pickled).isoformat())  # protocols below 4 lose the fold
                emit(f"{library} protocol {protocol}: {value!r:.60}", pickled, plain, exact)


main()
