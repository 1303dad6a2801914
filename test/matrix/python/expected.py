"""What a target has to hold after a copy, worked out from the source's rows by rules of its own: the fact page, the models and the genuine
migrations. Shares nothing with Crosswind.

`expect(source, release)` takes the neutral rows of a source and gives those of a target of that release; a row or column that the target
has no place for is not in it. Because rows stay neutral, it can be applied twice: A to B and back to A.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import pickle
import re

from neutral import TI, at

FINISHED = ("success", "failed")
LEGACY_LAYOUT = "{{ ti.dag_id }}/{{ ti.task_id }}/{{ ts }}/{{ try_number }}.log"
LEGACY_LOG_ID = "{dag_id}-{task_id}-{execution_date}-{try_number}"
# Entity -> first release with it, first release without it.
LIVES = {
    "team": ((3, 1), None), "dag_bundle_team": ((3, 1), None), "dag_favorite": ((3, 1), None), "log_template": ((2, 3), None),
    "asset": ((2, 4), None), "asset_event": ((2, 4), None), "dagrun_asset_event": ((2, 4), None), "backfill": ((3, 0), None),
    "backfill_dag_run": ((3, 0), None), "dag_run_note": ((2, 5), None), "task_instance_note": ((2, 5), None),
    "task_instance_history": ((2, 10), None), "task_map": ((2, 3), None), "task_fail": (None, (3, 0)), "sla_miss": (None, (3, 0)),
    "hitl_detail": ((3, 1), None), "hitl_detail_history": ((3, 2), None), "task_state_store": ((3, 3), None),
    "asset_state_store": ((3, 3), None),
}
# What a column that the source does not have begins with; everything else begins with NULL.
DEFAULTS = {
    "slot_pool": {"include_deferred": False},
    "dag_run": {"clear_number": 0, "span_status": "not_started"},
    "task_instance": {"span_status": "not_started", "map_index": -1},
    "task_instance_history": {"span_status": "not_started"},
    "asset": {"group": "asset"},
}
# Columns that no copy writes or that mean nothing elsewhere: processes, the target's own numbers, derived bookkeeping.
OWN = {
    "connection": {"id", "is_encrypted", "is_extra_encrypted"},
    "variable": {"id", "is_encrypted"},
    "slot_pool": {"id"}, "team": {"id"}, "log_template": {"id", "created_at"},
    "asset": {"id", "is_orphaned"}, "asset_event": {"id"}, "backfill": {"id"}, "backfill_dag_run": {"id"},
    "dag_run": {"id", "last_scheduling_decision"},
    "task_instance": {"id"}, "task_instance_history": {"id", "task_instance_id"},
    "task_reschedule": {"id", "execution_date"}, "task_fail": {"id"}, "log": {"id"}, "xcom": {"id"}, "task_state_store": {"id"},
}
OF_RUNS = ("task_map",)
PROCESS = ("creating_job_id scheduled_by_job_id created_dag_version_id dag_hash job_id queued_by_job_id trigger_id dag_version_id"
           " last_heartbeat_at").split()


def lives(entity: str, release: tuple) -> bool:
    first, gone = LIVES.get(entity, (None, None))
    return (first is None or release >= first) and (gone is None or release < gone)


def expect(source, release: tuple) -> dict:
    """{entity: [row]}. `source` has `release` and `entities`."""
    return Expectation(source.entities, source.release, release).entities()


class Expectation:
    def __init__(self, rows: dict, source: tuple, target: tuple):
        self.rows, self.source, self.target = rows, source, target
        runs = [row for row in rows["dag_run"] if row["dag_id"] and row["run_id"]]
        self.finished = {(row["dag_id"], row["run_id"]) for row in runs if row["state"] in FINISHED}
        self.open = {(row["dag_id"], row["run_id"]) for row in runs} - self.finished
        self.tasks = {tuple(row[name] for name in TI): row for row in rows["task_instance"]}
        self.renamed = {(row["dag_id"], row["run_id"]): self.older_id(row) for row in runs} if source >= (3, 2) > target else {}

    @staticmethod
    def older_id(run) -> str:
        """What a scheduler before 3.2 would have called the run; a custom timetable's own ids stay."""
        if run["run_type"] != "scheduled" or run["logical_date"] is None or not re.match(r"scheduled__\d{4}-", run["run_id"]):
            return run["run_id"]
        return f"scheduled__{dt.datetime.fromisoformat(at(run['logical_date'])).astimezone(dt.timezone.utc).isoformat()}"

    def rename(self, made):
        for dag, run in (("dag_id", "run_id"), ("source_dag_id", "source_run_id")):
            if made.get(run) is not None:
                made[run] = self.renamed.get((made.get(dag), made[run]), made[run])
        if made.get("event") and isinstance(made["event"], list):
            time, dag, run = made["event"]
            made["event"] = [time, dag, self.renamed.get((dag, run), run)]
        if "run_of_number" in made:
            made["run_of_number"] = [made["run_of_number"][0], self.renamed.get(tuple(made["run_of_number"]), made["run_of_number"][1])]

    def entities(self) -> dict:
        found = {}
        for entity, rows in self.rows.items():
            if lives(entity, self.source) and lives(entity, self.target):
                rule = getattr(self, entity, self.of_run if entity in OF_RUNS else dict)
                taken = [made for row in rows for made in self.taken(rule, entity, row)]
                found[entity] = [{**DEFAULTS.get(entity, {}), **row} for row in taken]
        if not lives("log_template", self.source) and lives("log_template", self.target):
            found["log_template"] = [{"filename": LEGACY_LAYOUT, "elasticsearch_id": LEGACY_LOG_ID}]
        return found

    def taken(self, rule, entity, row):
        made = rule(dict(row))
        if made is None:
            return []
        self.rename(made)
        for column in PROCESS:
            if column in made or entity in ("dag_run", "task_instance", "task_instance_history"):
                made[column] = None
        return [made]

    # -- which rows are taken

    def is_taken(self, row) -> bool:
        return (row["dag_id"], row["run_id"]) in self.finished and (row.get("map_index", -1) < 0 or self.target >= (2, 3))

    def of_run(self, row):
        return row if self.is_taken(row) else None

    def has_task(self, row) -> bool:
        return tuple(row[name] for name in TI) in self.tasks or self.target < (2, 3)

    # -- objects

    def connection(self, row):
        if row["conn_id"] is None:
            return None
        first = min(each["id"] for each in self.rows["connection"] if each["conn_id"] == row["conn_id"])
        if row["id"] != first:
            return None
        if row["conn_type"] is None:
            row["conn_type"] = "imap" if row["conn_id"] == "imap_default" else "generic"
        return row

    def variable(self, row):
        if row["key"] is None:
            return None
        if row["val"] is None and self.target >= (3, 0):
            row["val"] = ""
        return row

    def slot_pool(self, row):
        if row["pool"] is None:
            return None
        if row["slots"] is None:
            row["slots"] = 0
        return row

    def log_template(self, row):
        return row

    def dag(self, row):
        return {"dag_id": row["dag_id"], "is_paused": True}

    def asset(self, row):
        if self.target < (3, 0):
            first = min(each["id"] for each in self.rows["asset"] if each["uri"] == row["uri"])
            row["name"] = row["uri"]
            return row if row["id"] == first else None
        return row

    def asset_event(self, row):
        if self.target < (3, 0) and row["asset"]:
            row["asset"] = [row["asset"][1], row["asset"][1]]
        return row

    def backfill(self, row):
        row["completed_at"] = row["completed_at"] or row["updated_at"]
        return row

    def backfill_dag_run(self, row):
        if row["run_id"] is not None and (row["dag_id"], row["run_id"]) not in self.finished:
            return None
        return None if row["logical_date"] is None and self.target < (3, 2) else row

    # -- history

    def dag_run(self, row):
        if not self.is_taken(row):
            return None
        row["run_type"] = self.run_type(row)
        if self.source < (3, 0):
            row["run_after"] = row.get("data_interval_end") or row["logical_date"]
        elif self.target < (3, 0):
            row["external_trigger"] = row["run_type"] == "manual"
            if row["logical_date"] is None:
                row["logical_date"] = {"soon_after": row["run_after"]}
        if "external_trigger" in row and row["external_trigger"] is None:
            row["external_trigger"] = row["run_type"] == "manual"
        row["conf"] = self.conf(row["conf"])
        if "log_layout" not in row:
            # Not as the genuine upgrade, which leaves NULL: that means the target's oldest layout, and a fresh target has another one.
            row["log_layout"] = LEGACY_LAYOUT
        return row

    def run_type(self, row):
        if self.source < (2, 0):
            run_id = row["run_id"]
            return "backfill" if run_id.startswith("backfill_") else "scheduled" if run_id.startswith("scheduled__") else "manual"
        kind = row["run_type"]
        if kind in ("dataset_triggered", "asset_triggered"):
            return "manual" if self.target < (2, 4) else "dataset_triggered" if self.target < (3, 0) else "asset_triggered"
        if kind == "asset_materialization" and self.target < (3, 2) or kind == "operator_triggered" and self.target < (3, 3):
            return "manual"
        return kind

    def conf(self, stored):
        if stored is None or ("bytes" in stored and self.target < (3, 0)) or ("bytes" not in stored and self.target >= (3, 0)):
            return stored
        if "undecodable" in stored:
            return {"labelled": stored["undecodable"]}
        if "json" in stored:
            return {"unpickled": stored["json"]}
        from expected_2_to_3 import expected_conf

        return expected_conf(stored)

    def state(self, state):
        if state in ("shutdown", "sensing") and self.target >= (3, 0) or state == "sensing" and self.target >= (2, 4):
            return "failed"
        return None if state == "awaiting_input" and self.target < (3, 3) else state

    def attempts(self, row):
        """Up to 2.9 what waits has not counted its attempt yet."""
        number, waits = row["try_number"], row["state"] in ("scheduled", "queued", "deferred", "up_for_reschedule")
        if number is not None and waits and (self.source < (2, 10)) != (self.target < (2, 10)):
            number = number + 1 if self.source < (2, 10) else max(number - 1, 0)
        return number or 0

    def task_instance(self, row):
        if not self.is_taken(row):
            return None
        row["try_number"] = self.attempts(row)
        row["state"] = self.state(row["state"])
        # What the models never leave empty, and the API can not read without.
        row["max_tries"] = -1 if row["max_tries"] is None else row["max_tries"]
        if self.target < (3, 0):
            row["executor_config"] = row["executor_config"] or {"one_of": [{"bytes": pickle.dumps({}, 2).hex()}]}
            row["hostname"], row["unixname"] = row["hostname"] or "", row["unixname"] or ""
        if self.source >= (3, 2) > self.target:
            row["next_kwargs"] = None  # in another encoding; nothing that is finished goes on
        row.setdefault("pool", "default_pool")
        row["pool"] = row["pool"] or "default_pool"
        row["pool_slots"] = 1 if row.get("pool_slots") is None else row["pool_slots"]
        return row

    def task_instance_history(self, row):
        made = self.task_instance(row)
        if made is not None and self.target >= (3, 0):
            made["task_display_name"] = made["task_display_name"] or made["task_id"]
        return made

    def xcom(self, row):
        if row["key"] is None or not self.is_taken(row) or not self.has_task(row):
            return None
        if self.source < (2, 0):
            same = [each for each in self.rows["xcom"] if all(each[name] == row[name] for name in (*TI, "key"))]
            if row is not None and (at(row["timestamp"]), row["id"]) != max((at(each["timestamp"]), each["id"]) for each in same):
                return None
        if self.target >= (2, 3):
            row["run_of_number"] = [row["dag_id"], row["run_id"]]
        row["value"] = self.value(row["value"])
        return row

    def value(self, stored):
        if stored is None or ("bytes" in stored) == (self.target < (3, 0)):
            return stored
        if "undecodable" in stored:
            return {"labelled": stored["undecodable"]}
        if "pickled" in stored:
            return {"decoded_bytes": stored["pickled"]}
        if "json" in stored:
            return {"json_bytes": stored["json"]}
        from expected_2_to_3 import expected_xcom

        return expected_xcom(stored)

    def task_state_store(self, row):
        row["run_of_number"] = [row["dag_id"], row["run_id"]]
        return self.of_run(row)

    def task_fail(self, row):
        return row if self.is_taken(row) and self.has_task(row) else None

    def rendered_task_instance_fields(self, row):
        return row if self.is_taken(row) and self.has_task(row) else None

    def task_reschedule(self, row):
        if not self.is_taken(row):
            return None
        if self.source >= (3, 0) and self.target < (3, 0):
            row["try_number"] = self.tasks[tuple(row[name] for name in TI)]["try_number"] or 1
        return row

    def sla_miss(self, row):
        run = next((each for each in self.rows["dag_run"] if each["dag_id"] == row["dag_id"] and at(each["logical_date"]) == at(row["execution_date"])), None)
        return None if run and (run["dag_id"], run["run_id"]) in self.open else row

    def hitl_detail(self, row):
        if max(self.source, self.target) >= (3, 2):
            # Numbers of ab_user, of whom the target, or a recorded 3.1, has none: there they are known by their names.
            known = lambda user: {**user, "id": user["name"]} if user["id"].isdigit() else user
            for name, each in (("responded_by", known), ("assignees", lambda users: [known(user) for user in users])):
                value = row[name] and row[name]["json"]
                row[name] = {"json": each(value)} if value else row[name]
        return self.of_run(row)

    hitl_detail_history = hitl_detail

    def dag_run_note(self, row):
        user = row["user_id"]
        if user is not None and self.source < (3, 0):
            # A number of ab_user, which the recorded 3.0 and 3.1 have not.
            user = None if (3, 0) <= self.target < (3, 2) else user if self.target < (3, 0) else str(user)
        elif self.target < (3, 0):
            # Another auth manager's name means nothing there.
            user = int(user) if user is not None and user.isdigit() else None
        row["user_id"] = user
        return self.of_run(row)

    task_instance_note = dag_run_note

    def log(self, row):
        if (row["dag_id"], row.get("run_id")) in self.open:
            return None
        row["event"] = (row["event"] or "")[: 30 if self.target < (2, 9) else 60]
        return row

    def dagrun_asset_event(self, row):
        return self.of_run(row)


# -- comparison


def matches(expected, found) -> bool:
    if isinstance(expected, dict):
        if "one_of" in expected:
            return any(matches(each, found) for each in expected["one_of"])
        if "soon_after" in expected:
            early, late = (dt.datetime.fromisoformat(at(each)) for each in (expected["soon_after"], found))
            return dt.timedelta(0) <= late - early < dt.timedelta(milliseconds=1)
        if "json_bytes" in expected:
            return found is not None and "bytes" in found and same_json(expected["json_bytes"], json.loads(bytes.fromhex(found["bytes"])))
        if "labelled" in expected:
            # Not turned into a pickle again: whoever may write JSON on a 3.x must not get a pickle loaded on a 2.x.
            from expected_2_to_3 import unpickle

            data = bytes.fromhex(found["bytes"])
            return is_label(unpickle(data) if data.startswith(b"\x80") else json.loads(data), expected["labelled"])
        if "decoded_bytes" in expected:
            return found is not None and same_decoded(expected["decoded_bytes"], json.loads(bytes.fromhex(found["bytes"])))
        if "unpickled" in expected:
            from expected_2_to_3 import unpickle

            return found is not None and same_json(expected["unpickled"], unpickle(bytes.fromhex(found["bytes"])))
        if "pickled" in expected:
            return found is not None and "json" in found and same_decoded(expected["pickled"], found["json"])
        if "undecodable" in expected:
            return bool(found) and "json" in found and is_label(found["json"], expected["undecodable"])
        if "json" in expected:
            return isinstance(found, dict) and "json" in found and same_json(expected["json"], found["json"])
    return same_json(expected, found)


def is_label(value, data: str) -> bool:
    """Crosswind's label around bytes that nobody could decode."""
    if not isinstance(value, dict) or value.get("__crosswind__") != "undecodable":
        return False
    return base64.b64decode(value["data"]) == bytes.fromhex(data)


def same_decoded(expected, found) -> bool:
    """Through the target's own decoder: the value counts, not how it was written down."""
    from airflow_decoder import decode
    from rows import form

    return same_json(expected, form(decode(found)))


def same_json(expected, found) -> bool:
    if isinstance(expected, bool) or isinstance(found, bool) or expected is None or found is None:
        return expected is found
    if isinstance(expected, (int, float)) and isinstance(found, (int, float)):
        return float(expected) == float(found) if isinstance(expected, float) else expected == found
    if isinstance(expected, dict) and isinstance(found, dict):
        return expected.keys() == found.keys() and all(same_json(expected[name], found[name]) for name in expected)
    if isinstance(expected, list) and isinstance(found, (list, tuple)):
        return len(expected) == len(found) and all(map(same_json, expected, found))
    return type(expected) is type(found) and expected == found
