"""What a 3.3 database has to hold after a copy from a 2.10/2.11 one, worked out from the source database.

Run by the SOURCE's own Python. Shares nothing with Crosswind: plain SELECTs, Python's own pickle and json, cryptography,
and the source's own XCom encoder. Environment: SOURCE_DATABASE_URL, SOURCE_FERNET_KEY. Writes JSON to standard output:

    {entity: {"key": [columns], "rows": [{column: value}]}}

Rows of an entity without a key of its own are compared as a bag. A value {"any_of": [...]} allows several.
{"pickled": ...} is the form (rows.py) of the unpickled object, to be compared with that of what the target's own decoder reads; {"undecodable": hex} stands for Crosswind's wrapper around bytes that nobody could decode.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import math
import os
import pickle
import re
import sys
from decimal import Decimal

from rows import connect, fetch, form, opener

COPIED = "('success', 'failed')"
STATES = {"shutdown": "failed", "sensing": "failed"}
KNOWN_MODULES = re.compile(r"^(datetime|decimal|pendulum(\..*)?|zoneinfo|uuid)$")
KNOWN_BUILTINS = {"set", "frozenset", "getattr", "dict", "list", "tuple"}


class Undecodable(Exception):
    pass


class DataOnly(pickle.Unpickler):
    """Loads data and the handful of classes that have a place in JSON; never a company's class or a command."""

    def find_class(self, module, name):
        if KNOWN_MODULES.match(module) or (module in ("builtins", "__builtin__") and name in KNOWN_BUILTINS):
            return super().find_class(module, name)
        # Protocol 2 writes bytes as a text to be encoded, and calls builtins by their name in Python 2.
        if (module, name) in (("collections", "OrderedDict"), ("_codecs", "encode")):
            return super().find_class(module, name)
        raise Undecodable(f"{module}.{name}")


def unpickle(data: bytes):
    try:
        return DataOnly(io.BytesIO(data)).load()
    except Exception as error:
        raise Undecodable(repr(error)) from error


def jsonb_safe(value):
    """Python's JSON knows NaN, U+0000 and halves of surrogate pairs; jsonb does not."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, str):
        return re.sub("[\x00\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", value)
    if isinstance(value, dict):
        return {jsonb_safe(name): jsonb_safe(item) for name, item in value.items()}
    return [jsonb_safe(item) for item in value] if isinstance(value, list) else value


def as_plain_json(value):
    """dag_run.conf: nobody decodes it, so dates become ISO text and collections become lists."""
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, (Decimal, dt.timedelta)):
        return str(value)
    if isinstance(value, dict):
        return {name if isinstance(name, str) else str(name): as_plain_json(item) for name, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [as_plain_json(item) for item in value]
    return value


def expected_conf(stored):
    if stored is None:
        return None
    data = bytes.fromhex(stored["bytes"])
    try:
        conf = unpickle(data)
        if isinstance(conf, str):
            conf = json.loads(conf)
        return None if conf == {} else {"json": jsonb_safe(as_plain_json(conf))}
    except (Undecodable, ValueError):
        return {"undecodable": data.hex()}


def expected_xcom(stored):
    if stored is None:
        return None
    data = bytes.fromhex(stored["bytes"])
    if not data.startswith(b"\x80"):
        return {"json": jsonb_safe(json.loads(data))}
    try:
        return {"pickled": jsonb_safe(form(unpickle(data)))}
    except Undecodable:
        return {"undecodable": data.hex()}


def json_or_null(text):
    return None if text is None else {"json": json.loads(text)}


def secret(value, is_encrypted, open_token):
    """NULL and empty text are never tokens, whatever the flag says."""
    return open_token(value) if is_encrypted and value else value


def connections(source, open_token):
    for row in fetch(source, "select * from connection"):
        yield {
            **{name: row[name] for name in ("conn_id", "conn_type", "host", "schema", "login", "port", "description")},
            "password": secret(row["password"], row["is_encrypted"], open_token),
            "extra": secret(row["extra"], row["is_extra_encrypted"], open_token),
            "team_name": None,
        }


def variables(source, open_token):
    for row in fetch(source, "select * from variable"):
        yield {
            "key": row["key"],
            "val": secret(row["val"], row["is_encrypted"], open_token) or "",
            "description": row["description"],
            "team_name": None,
        }


def pools(source):
    for row in fetch(source, "select pool, coalesce(slots, 0) as slots, description, include_deferred from slot_pool"):
        yield {**row, "team_name": None}


def dags(source):
    """Paused until their cutover, whatever they were; rows for deleted DAGs may be added. The rest is the parser's."""
    return fetch(source, "select dag_id, true as is_paused from dag where not coalesce(is_subdag, false)")


def runs(source):
    sql = f"""
        select r.*, (select t.filename from log_template t
                      where t.id = coalesce(r.log_template_id, (select min(id) from log_template))) as log_filename
          from dag_run r where r.state in {COPIED}"""
    same = ("dag_id run_id state start_date end_date queued_at data_interval_start data_interval_end updated_at "
            "clear_number log_filename").split()
    never = ("triggered_by creating_job_id scheduled_by_job_id backfill_id bundle_version context_carrier "
             "created_dag_version_id triggering_user_name created_at partition_key partition_date").split()
    for row in fetch(source, sql):
        run_type = row["run_type"]
        yield {
            **{name: row[name] for name in same},
            **dict.fromkeys(never),
            "logical_date": row["execution_date"],
            "run_after": row["data_interval_end"] or row["execution_date"],
            "run_type": "asset_triggered" if run_type == "dataset_triggered" else run_type,
            "conf": expected_conf(row["conf"]),
            "span_status": "not_started",
            # The scheduler's own bookkeeping, without meaning once the run is finished.
            "last_scheduling_decision": {"any_of": [None, row["last_scheduling_decision"]]},
        }


def tries(source, table):
    """Task instances, and their earlier tries: the same columns but for what counts attempts and time zones."""
    own = ("dag_id task_id run_id map_index start_date end_date duration hostname unixname pool pool_slots queue "
           "priority_weight operator custom_operator_name queued_dttm pid executor executor_config updated_at "
           "rendered_map_index external_executor_id next_method task_display_name trigger_timeout").split()
    never = ("queued_by_job_id trigger_id dag_version_id scheduled_dttm context_carrier retry_delay_override "
             "retry_reason").split()
    is_current = table == "task_instance"
    for row in fetch(source, f"select t.*, t.next_kwargs::text as kwargs from {table} t {of_copied_runs('t')}"):
        values = {
            **{name: row[name] for name in own},
            **dict.fromkeys(never),
            "state": STATES.get(row["state"], row["state"]),
            "try_number": row["try_number"] or 0,
            "max_tries": -1 if row["max_tries"] is None else row["max_tries"],
            "next_kwargs": json_or_null(row["kwargs"]),
            "span_status": "not_started",
        }
        if is_current:
            values["last_heartbeat_at"] = None
            values["trigger_timeout"] = in_utc(row["trigger_timeout"])
        else:
            # NULL is legal in the table, and a 500 in the API, which reads both as required.
            values["max_tries"] = {"any_of": [values["max_tries"], row["max_tries"]]}
            values["task_display_name"] = {"any_of": [row["task_display_name"], row["task_display_name"] or row["task_id"]]}
        yield values


def in_utc(naive):
    return None if naive is None else {"at": naive["at"] + "+00:00"}


def of_copied_runs(alias):
    return f"""join dag_run r on r.dag_id = {alias}.dag_id and r.run_id = {alias}.run_id and r.state in {COPIED}"""


def xcoms(source):
    for row in fetch(source, f"select x.* from xcom x {of_copied_runs('x')}"):
        key = {name: row[name] for name in ("dag_id", "task_id", "run_id", "map_index", "key", "timestamp")}
        yield {**key, "value": expected_xcom(row["value"]), "run_of_id": [row["dag_id"], row["run_id"]]}


def rendered(source):
    sql = f"""select f.dag_id, f.task_id, f.run_id, f.map_index, f.rendered_fields::text as fields,
                     f.k8s_pod_yaml::text as pod from rendered_task_instance_fields f {of_copied_runs('f')}"""
    for row in fetch(source, sql):
        fields, pod = row.pop("fields"), row.pop("pod")
        yield {**row, "rendered_fields": json_or_null(fields), "k8s_pod_yaml": json_or_null(pod)}


def task_maps(source):
    sql = f"""select m.dag_id, m.task_id, m.run_id, m.map_index, m.length, m.keys::text as keys
                from task_map m {of_copied_runs('m')}"""
    for row in fetch(source, sql):
        yield {**row, "keys": json_or_null(row["keys"])}


def notes(source, kind):
    parent = "dag_run r on r.id = n.dag_run_id" if kind == "dag_run" else "dag_run r using (dag_id, run_id)"
    more = "" if kind == "dag_run" else "n.task_id, n.map_index,"
    return fetch(source, f"""select r.dag_id, r.run_id, {more} n.content, n.user_id::text as user_id, n.created_at,
                                    n.updated_at from {kind}_note n join {parent} where r.state in {COPIED}""")


def reschedules(source):
    return fetch(source, f"""select s.dag_id, s.task_id, s.run_id, s.map_index, s.start_date, s.end_date, s.duration,
                                    s.reschedule_date from task_reschedule s {of_copied_runs('s')}""")


def logs(source):
    """All but the rows of runs that stay behind; a row may name a run that no longer exists."""
    return fetch(source, f"""
        select l.dttm, l.dag_id, l.task_id, l.map_index, coalesce(l.event, '') as event, l.run_id, l.owner,
               l.owner_display_name, l.extra, l.try_number, l.execution_date as logical_date
          from log l
         where not exists (select from dag_run r where r.dag_id = l.dag_id and r.run_id = l.run_id
                              and coalesce(r.state, '') not in {COPIED})""")


def log_templates(source):
    return fetch(source, "select distinct filename, elasticsearch_id from log_template")


def assets(source):
    """Which of them are active, and their aliases, the target's DAG processor works out."""
    for row in fetch(source, "select uri, extra::text as extra, created_at, updated_at from dataset"):
        yield {**row, "name": row["uri"], "group": "asset", "extra": json_or_null(row["extra"])}


EVENT = """d.uri, e.timestamp, e.extra::text as extra, e.source_dag_id, e.source_run_id, e.source_task_id,
           e.source_map_index"""


def asset_events(source):
    for row in fetch(source, f"select {EVENT} from dataset_event e join dataset d on d.id = e.dataset_id"):
        yield {**row, "extra": json_or_null(row["extra"]), "partition_key": None}


def consumed_events(source):
    return fetch(source, f"""select r.dag_id, r.run_id, d.uri, e.timestamp from dagrun_dataset_event c
                               join dag_run r on r.id = c.dag_run_id join dataset_event e on e.id = c.event_id
                               join dataset d on d.id = e.dataset_id where r.state in {COPIED}""")


def main() -> None:
    source = connect(os.environ["SOURCE_DATABASE_URL"])
    open_token = opener(os.environ["SOURCE_FERNET_KEY"])
    ti = ["dag_id", "task_id", "run_id", "map_index"]
    entities = {
        "connection": (["conn_id"], connections(source, open_token)),
        "variable": (["key"], variables(source, open_token)),
        "slot_pool": (["pool"], pools(source)),
        "log_template": ([], log_templates(source)),
        "dag": (["dag_id"], dags(source)),
        "dag_run": (["dag_id", "run_id"], runs(source)),
        "dag_run_note": (["dag_id", "run_id"], notes(source, "dag_run")),
        "task_instance": (ti, tries(source, "task_instance")),
        "task_instance_history": ([*ti, "try_number"], tries(source, "task_instance_history")),
        "task_instance_note": (ti, notes(source, "task_instance")),
        "task_reschedule": ([], reschedules(source)),
        "task_map": (ti, task_maps(source)),
        "xcom": ([*ti, "key"], xcoms(source)),
        "rendered_task_instance_fields": (ti, rendered(source)),
        "log": ([], logs(source)),
        "asset": (["uri"], assets(source)),
        "asset_event": ([], asset_events(source)),
        "dagrun_asset_event": ([], consumed_events(source)),
    }
    json.dump({name: {"key": key, "rows": list(rows)} for name, (key, rows) in entities.items()}, sys.stdout)


if __name__ == "__main__":
    main()
