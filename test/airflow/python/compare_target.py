"""Compares every mapped column of every row of a 3.3 database with the output of expected_2_to_3.py.

Run by the TARGET's own Python. Environment: TARGET_DATABASE_URL, TARGET_FERNET_KEY, EXPECTED (a file). Prints JSON:
{"compared": {entity: rows}, "values": number, "differences": [{entity, key, kind, column, expected, found}]}
"""

from __future__ import annotations

import base64
import collections
import json
import os
import sys

from rows import connect, fetch, form, key_text, opener

RUN_OF_TI = "join task_instance t on t.id = n.ti_id"
EVENT_JOINS = "join asset_event e on e.id = l.event_id join asset a on a.id = e.asset_id"

QUERIES = {
    "connection": "select * from connection",
    "variable": "select * from variable",
    "slot_pool": "select * from slot_pool",
    "log_template": "select distinct filename, elasticsearch_id from log_template",
    "dag": "select dag_id, is_paused from dag",
    "dag_run": """select r.*, r.conf::text as conf,
                         (select t.filename from log_template t
                           where t.id = coalesce(r.log_template_id, (select min(id) from log_template))) as log_filename
                    from dag_run r""",
    "dag_run_note": "select r.dag_id, r.run_id, n.* from dag_run_note n join dag_run r on r.id = n.dag_run_id",
    "task_instance": "select t.*, t.next_kwargs::text as next_kwargs from task_instance t",
    "task_instance_history": "select t.*, t.next_kwargs::text as next_kwargs from task_instance_history t",
    "task_instance_note": f"select t.dag_id, t.task_id, t.run_id, t.map_index, n.* from task_instance_note n {RUN_OF_TI}",
    "task_reschedule": f"""select t.dag_id, t.task_id, t.run_id, t.map_index, n.start_date, n.end_date, n.duration,
                                  n.reschedule_date from task_reschedule n {RUN_OF_TI}""",
    "task_map": "select m.*, m.keys::text as keys from task_map m",
    "xcom": """select x.*, x.value::text as value,
                      (select json_build_array(r.dag_id, r.run_id) from dag_run r where r.id = x.dag_run_id) as run_of_id
                 from xcom x""",
    "rendered_task_instance_fields": """select f.*, f.rendered_fields::text as rendered_fields,
                                               f.k8s_pod_yaml::text as k8s_pod_yaml
                                          from rendered_task_instance_fields f""",
    "log": """select dttm, dag_id, task_id, map_index, event, run_id, owner, owner_display_name, extra, try_number,
                     logical_date from log""",
    "asset": "select a.*, a.extra::text as extra from asset a",
    "asset_event": """select a.uri, e.timestamp, e.extra::text as extra, e.source_dag_id, e.source_run_id,
                             e.source_task_id, e.source_map_index, e.partition_key
                        from asset_event e join asset a on a.id = e.asset_id""",
    "dagrun_asset_event": f"""select r.dag_id, r.run_id, a.uri, e.timestamp from dagrun_asset_event l
                                join dag_run r on r.id = l.dag_run_id {EVENT_JOINS}""",
}


def may_be_the_targets_own(entity, row: str) -> bool:
    """What may be on a target before the copy, made by its own Airflow: log layouts, and audit rows of its commands."""
    return entity == "log_template" or (entity == "log" and json.loads(row)[1] is None)


def read_target(target, entity, open_token):
    rows = fetch(target, QUERIES[entity])
    for row in rows:
        if entity == "connection":
            row["password"] = opened(row, "password", "is_encrypted", open_token)
            row["extra"] = opened(row, "extra", "is_extra_encrypted", open_token)
        elif entity == "variable":
            row["val"] = opened(row, "val", "is_encrypted", open_token)
    return rows


def opened(row, column, flag, open_token):
    return open_token(row[column]) if row[flag] and row[column] else row[column]


def same(expected, found) -> bool:
    if isinstance(expected, dict):
        if "any_of" in expected:
            return any(same(one, found) for one in expected["any_of"])
        if "json" in expected:
            return found is not None and same_json(expected["json"], json.loads(found))
        if "pickled" in expected:
            return found is not None and same_decoded(expected["pickled"], json.loads(found))
        if "undecodable" in expected:
            return found is not None and is_wrapper(json.loads(found), expected["undecodable"])
    return same_json(expected, found)


def same_json(expected, found) -> bool:
    if isinstance(expected, bool) or isinstance(found, bool) or expected is None or found is None:
        return expected is found
    if isinstance(expected, (int, float)) and isinstance(found, (int, float)):
        # jsonb writes 1e308 as an integer of 309 digits.
        return float(expected) == float(found) if isinstance(expected, float) else expected == found
    if isinstance(expected, dict) and isinstance(found, dict):
        return expected.keys() == found.keys() and all(same_json(expected[name], found[name]) for name in expected)
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(same_json, expected, found))
    return type(expected) is type(found) and expected == found


def same_decoded(expected, found) -> bool:
    """Through the target's own XCom decoder: the value counts, not the spelling (0.1 or "0.1" of a Decimal)."""
    from airflow.sdk.serde import deserialize

    return same_json(expected, form(deserialize(found)))


def is_wrapper(found, data: str) -> bool:
    if not isinstance(found, dict) or found.get("__crosswind__") != "undecodable":
        return False
    return base64.b64decode(found["data"]) == bytes.fromhex(data)


def compare_keyed(entity, key, expected, found):
    have = {key_text(row, key): row for row in found}
    for row in expected:
        name = key_text(row, key)
        actual = have.pop(name, None)
        if actual is None:
            yield {"entity": entity, "key": name, "kind": "missing"}
            continue
        for column, value in row.items():
            if column not in actual:
                yield {"entity": entity, "key": name, "kind": "no such column", "column": column}
            elif not same(value, actual[column]):
                yield {"entity": entity, "key": name, "kind": "value", "column": column,
                       "expected": value, "found": actual[column]}
    for name in have:
        if entity != "dag":
            yield {"entity": entity, "key": name, "kind": "too much"}


def compare_bag(entity, expected, found):
    columns = list(expected[0]) if expected else []
    bag = collections.Counter(canonical(row, columns) for row in expected)
    have = collections.Counter(canonical(row, columns) for row in found)
    for row, count in (bag - have).items():
        yield {"entity": entity, "key": row, "kind": "missing", "count": count}
    for row, count in (have - bag).items():
        if not may_be_the_targets_own(entity, row):
            yield {"entity": entity, "key": row, "kind": "too much", "count": count}


def canonical(row, columns):
    values = []
    for column in columns:
        value = row[column]
        if column == "extra" and isinstance(value, dict):
            value = value["json"]
        elif column == "extra" and "uri" in columns and value is not None:
            value = json.loads(value)
        values.append(value)
    return json.dumps(values, ensure_ascii=False, sort_keys=True)


def references(target):
    """What no column shows: ids of the right kind, and nothing that points nowhere."""
    checks = {
        "task_instance.id is no UUIDv7": "select id::text as key from task_instance where substr(id::text, 15, 1) <> '7'",
        "task_instance_history.task_instance_id is no UUIDv7":
            "select task_instance_id::text as key from task_instance_history where substr(task_instance_id::text, 15, 1) <> '7'",
        "an id is both of a task instance and of a try":
            "select t.id::text as key from task_instance t join task_instance_history h on h.task_instance_id = t.id",
        # Airflow 3.3 answers 500 on such a run, its tasks and its XComs.
        "a run of a DAG without a row in dag": """select distinct dag_id as key from dag_run r
             where not exists (select from dag d where d.dag_id = r.dag_id)""",
        "log_template_id points nowhere": """select r.run_id as key from dag_run r where r.log_template_id is not null
             and not exists (select from log_template l where l.id = r.log_template_id)""",
        "a flag says encrypted and the value is no token": """select conn_id as key from connection
             where (is_encrypted and password <> '' and password not like 'gAAAAA%')
                or (is_extra_encrypted and extra <> '' and extra not like 'gAAAAA%')""",
        "a sequence is behind its table": """select 'dag_run' as key where (select max(id) from dag_run) >
             (select last_value from pg_sequences
               where format('%I.%I', schemaname, sequencename) = pg_get_serial_sequence('dag_run', 'id'))""",
    }
    for kind, sql in checks.items():
        for row in fetch(target, sql):
            yield {"entity": "references", "key": row["key"], "kind": kind}


def main() -> None:
    with open(os.environ["EXPECTED"]) as file:
        expected = json.load(file)
    target = connect(os.environ["TARGET_DATABASE_URL"])
    open_token = opener(os.environ["TARGET_FERNET_KEY"])
    differences, values = [], 0
    for entity, content in expected.items():
        found = read_target(target, entity, open_token)
        rows = content["rows"]
        values += sum(len(row) for row in rows)
        if content["key"]:
            differences.extend(compare_keyed(entity, content["key"], rows, found))
        else:
            differences.extend(compare_bag(entity, rows, found))
    differences.extend(references(target))
    compared = {entity: len(content["rows"]) for entity, content in expected.items()}
    json.dump({"compared": compared, "values": values, "differences": differences}, sys.stdout)


if __name__ == "__main__":
    main()
