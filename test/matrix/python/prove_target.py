"""The proof of one copy, by the target's own Airflow (2.2 to 3.3), run by its Python under its settings.

1. Every row of the target is what expected.py makes of the source's rows.
2. Every row of every model is read through that Airflow's ORM; connections and variables are decrypted, XComs and confs decoded.
3. Its REST API, in this process, answers 200 for every DAG run and task instance, for the lists, and from 3.0 on for every XCom.

Environment: CHAIN (JSON: paths of what dump_database.py wrote and releases on the way, oldest first, as [dump, release, ...]), TARGET_RELEASE,
TARGET_DATABASE_URL, TARGET_FERNET_KEY. Prints JSON on its last line.
"""

from __future__ import annotations

import collections
import json
import os
import sys

from database import read_tables
from expected import OWN, PROCESS, expect, matches
from neutral import KEYS, Neutral

MOST = 40


class Rows:
    """Neutral rows of a step on the way: what a database in the middle must have held."""

    def __init__(self, entities, release):
        self.entities, self.release = entities, release


def release_tuple(text: str) -> tuple:
    return tuple(int(part) for part in text.split("."))


def expected_rows(target: tuple) -> tuple:
    dump, *between = json.loads(os.environ["CHAIN"])
    with open(dump) as file:
        source = json.load(file)
    rows = Neutral(source["tables"], release_tuple(source["release"]))
    for release in [*map(release_tuple, between), target]:
        rows = Rows(expect(rows, release), release)
    return rows.entities, source


def text_of(row, columns) -> str:
    return json.dumps([row.get(column) for column in columns], ensure_ascii=False, sort_keys=True)


def compare_keyed(entity, expected, found):
    key, own = KEYS[entity], OWN.get(entity, set())
    there = {text_of(row, key): row for row in found}
    for name, row in {text_of(row, key): row for row in expected}.items():
        actual = there.pop(name, None)
        if actual is None:
            yield {"entity": entity, "key": name, "kind": "missing"}
            continue
        for column in row if entity == "dag" else actual:
            if column not in own and not matches(row.get(column), actual[column]):
                yield {"entity": entity, "key": name, "kind": "value", "column": column,
                       "expected": str(row.get(column))[:300], "found": str(actual[column])[:300]}
    for name in there:
        if entity not in ("dag", "log_template"):
            yield {"entity": entity, "key": name, "kind": "too much"}


def compare_bag(entity, expected, found):
    own = OWN.get(entity, set())
    columns = [column for column in (found or expected or [{}])[0] if column not in own]
    bag = collections.Counter(text_of(row, columns) for row in expected)
    there = collections.Counter(text_of(row, columns) for row in found)
    for row, count in (bag - there).items():
        yield {"entity": entity, "key": row[:600], "kind": "missing", "count": count, "column": str(columns)}
    for row, count in (there - bag).items():
        if entity != "log" or "cli_" not in row:  # the target's own commands leave a row, too
            yield {"entity": entity, "key": row[:600], "kind": "too much", "count": count, "column": str(columns)}


def compare(target: tuple, tables: dict) -> dict:
    expected, _ = expected_rows(target)
    there = Neutral(tables, target)
    differences, values, counts = [], 0, {}
    for entity, rows in expected.items():
        found = there.entities.get(entity, [])
        counts[entity] = len(rows)
        values += sum(len(row) for row in rows)
        differences.extend((compare_keyed if entity in KEYS else compare_bag)(entity, rows, found))
    differences.extend(broken_references(there))
    return {"rows": counts, "values": values, "differences": differences[:MOST], "count": len(differences),
            "notGivenBack": not_given_back(target, tables)}


def not_given_back(target: tuple, tables: dict) -> list:
    """After a way there and back: `entity` for rows that did not come back, `entity.column` for values. Whole DAG rows are the parser's."""
    dump, *between = json.loads(os.environ["CHAIN"])
    with open(dump) as file:
        source = json.load(file)
    if not between or release_tuple(source["release"]) != target:
        return []
    before, after, found = Neutral(source["tables"], target), Neutral(tables, target), set()
    for entity, rows in before.entities.items():
        own = OWN.get(entity, set()) | set(PROCESS)
        if entity not in KEYS:
            found |= {entity} if len(rows) > len(after.entities[entity]) else set()
        elif entity != "dag":
            there = {text_of(row, KEYS[entity]): row for row in after.entities[entity]}
            for row in rows:
                actual = there.get(text_of(row, KEYS[entity]))
                found |= {entity} if actual is None else {
                    entity + "." + column for column in row if column not in own and not same_content(row[column], actual[column])}
    return sorted(found)


def same_content(before, after) -> bool:
    """Bytes may be written down another way as long as they hold the same."""
    if before and after and isinstance(before, dict) and "bytes" in before and "bytes" in after:
        return before == after or json.dumps(held_in(before)) == json.dumps(held_in(after))
    return matches(before, after)


def held_in(stored):
    from expected_2_to_3 import Undecodable, as_plain_json, jsonb_safe, unpickle

    data = bytes.fromhex(stored["bytes"])
    try:
        return jsonb_safe(as_plain_json(unpickle(data) if data.startswith(b"\x80") else json.loads(data)))
    except Undecodable:
        return None


def broken_references(there: Neutral):
    if there.release >= (3, 0):
        for table, column in (("task_instance", "id"), ("task_instance_history", "task_instance_id")):
            for row in there.tables.get(table, []):
                if row[column].replace("-", "")[12] != "7":
                    yield {"entity": table, "key": row[column], "kind": "no UUIDv7"}
    dags = {row["dag_id"] for row in there.tables["dag"]}
    for dag_id in {row["dag_id"] for row in there.tables["dag_run"]} - dags:
        yield {"entity": "dag_run", "key": dag_id, "kind": "a run of a DAG without a row in dag"}


# -- the ORM


def same_bytes_as_source() -> set:
    """XComs that are in the target as they were in the source: as unreadable as there."""
    with open(json.loads(os.environ["CHAIN"])[0]) as file:
        tables = json.load(file)["tables"]
    stored = [row["value"] for row in tables["xcom"]] + [row["conf"] for row in tables["dag_run"]]
    return {each["bytes"] for each in stored if each and "bytes" in each}


def read_connection(row):
    row.get_password() if hasattr(row, "get_password") else row.password
    row.get_extra() if hasattr(row, "get_extra") else row.extra
    row.get_uri()


def read_variable(row):
    value = row.get_val() if hasattr(row, "get_val") else row.val
    if value is None and row.is_encrypted:
        raise ValueError("the value cannot be decrypted")


def read_xcom(row):
    if RELEASE < (3, 0):
        return  # decoded while the row was loaded
    from airflow_decoder import decode

    type(row).deserialize_value(row)
    decode(row.value)


def read_run(row):
    if row.conf is not None and not isinstance(row.conf, dict):
        raise TypeError("conf is a " + type(row.conf).__name__)
    if hasattr(row, "get_log_template"):
        row.get_log_template()


def read_task(row):
    str(row.executor_config), row.key, row.dag_run.run_id


READERS = {"Connection": read_connection, "Variable": read_variable, "XCom": read_xcom, "BaseXCom": read_xcom, "XComModel": read_xcom,
           "DagRun": read_run, "TaskInstance": read_task, "Trigger": lambda row: row.kwargs}
# A producer task of 2.x leaves its datasets in an XCom of its own, which 3.x has no module for; free text in an extra, which 1.10 and 2.x allowed.
EXPECTED = (("XCom", "No module named 'airflow.datasets'"), ("Connection", "Encountered non-JSON in `extra` field"))


def read_all() -> dict:
    from models import import_models, mapped_classes, open_session

    import_models()
    counts, failures, known = {}, [], same_bytes_as_source()
    with open_session() as session:
        for cls in mapped_classes():
            counts[cls.__name__] = read_model(session, cls, failures, known)
        session.rollback()
    return {"rows": sum(counts.values()), "models": len(counts), "failures": failures}


def read_model(session, cls, failures, known) -> int:
    """Row by row, so that one unreadable row hides no other."""
    from sqlalchemy.inspection import inspect

    try:
        keys = session.query(*inspect(cls).primary_key).all()
    except Exception as error:
        session.rollback()
        if "does not exist" in str(error):  # a table of a provider that this database was not made with
            return 0
        raise
    for key in keys:
        try:
            row = session.query(cls).get(tuple(key)) if not hasattr(session, "get") else session.get(cls, tuple(key))
            for column in inspect(cls).column_attrs:
                getattr(row, column.key)
            READERS.get(cls.__name__, lambda _: None)(row)
        except Exception as error:
            session.rollback()
            failures_of(session, cls, key, error, failures, known)
    session.expunge_all()
    return len(keys)


def failures_of(session, cls, key, error, failures, known) -> None:
    text = repr(error)[:300]
    if any(cls.__name__.startswith(model) and part in text for model, part in EXPECTED):
        return
    if RELEASE < (3, 0) and is_as_on_source(session, cls, key, known):
        return
    failures.append({"model": cls.__name__, "key": [str(part) for part in key], "error": text})


def is_as_on_source(session, cls, key, known) -> bool:
    """An XCom, a run or one of its tasks that this release cannot unpickle: the bytes are those of the source."""
    from sqlalchemy import text
    from sqlalchemy.inspection import inspect

    names = [column.name for column in inspect(cls).primary_key]
    column = {"DagRun": "t.conf", "TaskInstance": "r.conf"}.get(cls.__name__, "t.value" if "XCom" in cls.__name__ else None)
    if column is None:
        return False
    on = "r.run_id = t.run_id" if "run_id" in cls.__table__.c else "r.execution_date = t.execution_date"
    join = " join dag_run r on r.dag_id = t.dag_id and " + on if cls.__name__ == "TaskInstance" else ""
    where = " and ".join("t.{0} = :{0}".format(name) for name in names)
    row = session.execute(text("select {} from {} t{} where {}".format(column, cls.__tablename__, join, where)), dict(zip(names, key))).fetchone()
    return row is not None and (row[0] is None or bytes(row[0]).hex() in known)


# -- the API


def api_paths(tables) -> list:
    from urllib.parse import quote

    base = "/api/v2" if RELEASE >= (3, 0) else "/api/v1"
    enc = lambda text: quote(text, safe="")
    runs = ["{}/dags/{}/dagRuns/{}".format(base, enc(row["dag_id"]), enc(row["run_id"])) for row in tables["dag_run"]]
    tasks = []
    for row in tables["task_instance"]:
        path = "{}/dags/{}/dagRuns/{}/taskInstances/{}".format(base, enc(row["dag_id"]), enc(row["run_id"]), enc(row["task_id"]))
        tasks.append(path + ("/" + str(row["map_index"]) if row.get("map_index", -1) >= 0 else ""))
    for row in tables["xcom"] if RELEASE >= (3, 0) else []:
        path = "{}/dags/{}/dagRuns/{}/taskInstances/{}".format(base, enc(row["dag_id"]), enc(row["run_id"]), enc(row["task_id"]))
        tasks.append("{}/xcomEntries/{}?map_index={}".format(path, enc(row["key"]), row["map_index"]))
    every_dag = base + ("/dags?exclude_stale=false&limit=100" if RELEASE >= (3, 0) else "/dags?only_active=false&limit=100")
    lists = [every_dag, base + "/dags/~/dagRuns?limit=100", base + "/dags/~/dagRuns/~/taskInstances?limit=100", base + "/connections?limit=100",
             base + "/variables?limit=100", base + "/pools?limit=100", base + "/eventLogs?limit=100"]
    return lists + runs + tasks


# Lists that the genuine Airflow cannot show either: a pool without a limit has infinitely many open slots, which is no JSON; free text in a
# connection's extra, which 1.10 and 2.x allowed.
# States that the specification of that release's own API has forgotten.
KNOWN = (("/eventLogs?", "['owner']"), ("/pools?", "open_slots"), ("/pools?", "not JSON compliant: inf"), ("/pools?", "cannot convert float infinity"), ("/connections?", "Encountered non-JSON in `extra` field"))


def unreadable_runs() -> list:
    """Runs whose conf a release before 3.0 cannot show, on the source either: it holds a class of a company, or a set."""
    from expected_2_to_3 import Undecodable, unpickle

    with open(json.loads(os.environ["CHAIN"])[0]) as file:
        runs = json.load(file)["tables"]["dag_run"]
    found = []
    for row in runs:
        if row["conf"] and "bytes" in row["conf"] and RELEASE < (3, 0):
            try:
                json.dumps(unpickle(bytes.fromhex(row["conf"]["bytes"])), default=refuse_sets)
            except (Undecodable, TypeError):
                found.append(row["run_id"])
    return found


def refuse_sets(value):
    if isinstance(value, (set, frozenset)):
        raise TypeError("a set")
    return str(value)


def is_known(path, text, unreadable) -> bool:
    if any(part in path and reason in text for part, reason in KNOWN):
        return True
    if RELEASE < (3, 0) and any("On instance['state']:\\n    '" + state in text or "['state']:\\n    '" + state in text for state in ("shutdown", "restarting", "sensing")):
        return True
    if not unreadable:
        return False
    return any(run_id in path.split("/") for run_id in unreadable) or "/~/" in path and ("company_code" in text or "type set" in text or "type 'set'" in text)


def call_all(tables) -> dict:
    get = client_3() if RELEASE >= (3, 0) else client_2()
    failures, paths, unreadable = [], api_paths(tables), unreadable_runs()
    for path in paths:
        try:
            status, text = get(path)
        except Exception as error:  # the app lets it through where a server would answer 500
            status, text = 500, repr(error)
        if status != 200 and not is_known(path, text, unreadable):
            failures.append({"path": path, "status": status, "text": shortened(text)})
    return {"calls": len(paths), "failures": failures[:MOST], "count": len(failures)}


def shortened(text) -> str:
    """The end of an error says what, a 2.x wraps it in JSON with the same words each time."""
    if text.startswith("{"):
        text = json.loads(text).get("detail") or text
    text = " ".join(str(text).split())
    return text if len(text) < 400 else text[:150] + " ... " + text[-240:]


def client_2():
    from airflow.www.app import create_app

    app = create_app(testing=False)
    app.testing = True  # an exception comes through instead of a page about it
    client = app.test_client()

    def get(path):
        answer = client.get(path)
        return answer.status_code, answer.get_data(as_text=True)

    return get


def client_3():
    from airflow.api_fastapi.app import create_app
    from fastapi.testclient import TestClient

    client = TestClient(create_app(apps="core"))
    token = client.get("/auth/token")
    if token.status_code not in (200, 201):
        token = client.post("/auth/token")
    headers = {"authorization": "Bearer " + token.json()["access_token"]}

    def get(path):
        answer = client.get(path, headers=headers)
        return answer.status_code, answer.text

    return get


RELEASE = release_tuple(os.environ["TARGET_RELEASE"])


def main() -> None:
    tables = read_tables(os.environ["TARGET_DATABASE_URL"], os.environ["TARGET_FERNET_KEY"])
    result = {"compared": compare(RELEASE, tables)}
    result["orm"] = read_all()
    result["api"] = call_all(tables)
    sys.stdout.flush()
    print("\n" + json.dumps(result))


if __name__ == "__main__":
    main()
