"""The content of a metadata database in words that do not depend on its release: newest names, and natural keys instead of numbers.

Only names and references change here, never a value: what a value has to become is in expected.py. Both the source and the target are read
this way, so that a row of one can be laid beside a row of the other. Facts: the models of each release.
"""

from __future__ import annotations

TI = ("dag_id", "task_id", "run_id", "map_index")
# Without a key: compared as a bag.
KEYS = {
    "connection": ("conn_id",), "variable": ("key",), "slot_pool": ("pool",), "team": ("name",), "dag_bundle_team": ("dag_bundle_name",),
    "log_template": ("filename", "elasticsearch_id"), "dag": ("dag_id",), "dag_favorite": ("user_id", "dag_id"), "asset": ("name", "uri"), "dag_run": ("dag_id", "run_id"),
    "dag_run_note": ("dag_id", "run_id"), "task_instance": TI, "task_instance_history": (*TI, "try_number"), "task_instance_note": TI,
    "task_map": TI, "xcom": (*TI, "key"), "rendered_task_instance_fields": TI, "sla_miss": ("dag_id", "task_id", "execution_date"),
    "hitl_detail": TI, "hitl_detail_history": (*TI, "try_number"), "task_state_store": (*TI, "key"), "asset_state_store": ("asset", "key"),
}
RENAMED = {"dataset": "asset", "dataset_event": "asset_event", "dagrun_dataset_event": "dagrun_asset_event"}


class Neutral:
    """Rows by entity. `absent` is what the release has no table for."""

    def __init__(self, tables: dict, release: tuple):
        self.release = release
        self.tables = {RENAMED.get(name, name): [dict(row) for row in rows] for name, rows in tables.items()}
        self.runs_by_id = {row["id"]: row for row in self.tables["dag_run"]}
        date = "logical_date" if release >= (3, 0) else "execution_date"
        self.runs_by_date = {(row["dag_id"], at(row[date])): row for row in self.tables["dag_run"] if row[date] is not None}
        self.tasks_by_id = {row["id"]: row for row in self.tables["task_instance"]} if release >= (3, 0) else {}
        self.tries_by_id = {row["task_instance_id"]: row for row in self.tables.get("task_instance_history", [])} if release >= (3, 0) else {}
        self.entities = {name: [self.named(name, row) for row in rows] for name, rows in self.tables.items()}

    def named(self, entity: str, row: dict) -> dict:
        row = dict(row)
        if entity in ("dag_run", "log") and self.release < (3, 0):
            row["logical_date"] = row.pop("execution_date")
        elif "execution_date" in row and entity != "sla_miss":
            run = self.runs_by_date.get((row["dag_id"], at(row.pop("execution_date"))))
            row["run_id"] = run["run_id"] if run else None
        if entity == "task_instance" or "task_id" in row and entity in KEYS and KEYS[entity][:4] == TI or entity in ("task_reschedule", "task_fail"):
            row.setdefault("map_index", -1)
        self.follow(entity, row)
        return row

    def follow(self, entity: str, row: dict) -> None:
        """Numbers of other rows become what those rows are called."""
        if "dag_run_id" in row:
            run = self.runs_by_id.get(row.pop("dag_run_id"))
            run_of_number = run and (run["dag_id"], run["run_id"])
            if entity in ("xcom", "task_state_store"):
                row["run_of_number"] = list(run_of_number) if run_of_number else None
            else:
                row["dag_id"], row["run_id"] = run_of_number or (None, None)
        if "ti_id" in row:
            task = self.tasks_by_id.get(row.pop("ti_id"))
            row.update({name: task[name] if task else None for name in TI})
        if "ti_history_id" in row:
            task = self.tries_by_id.get(row.pop("ti_history_id"))
            row.update({name: task[name] if task else None for name in (*TI, "try_number")})
        if entity == "asset" and self.release < (3, 0):
            row["name"] = row["uri"]
        for column in ("asset_id", "dataset_id"):
            if column in row:
                asset = next((each for each in self.tables["asset"] if each["id"] == row[column]), None)
                del row[column]
                row["asset"] = asset and [asset.get("name", asset["uri"]), asset["uri"]]
        if entity == "dagrun_asset_event":
            event = next((each for each in self.tables["asset_event"] if each["id"] == row["event_id"]), None)
            del row["event_id"]
            row["event"] = event and [event["timestamp"], event["source_dag_id"], event["source_run_id"]]
        if "backfill_id" in row:
            number = row.pop("backfill_id")
            backfill = next((each for each in self.tables.get("backfill", []) if each["id"] == number), None)
            row["backfill"] = backfill and [backfill["dag_id"], backfill["from_date"], backfill["to_date"], backfill["created_at"]]
        if entity == "dag_run" and "log_template" in self.tables:
            row["log_layout"] = self.log_layout(row.pop("log_template_id"))
        if "team_id" in row or entity == "team" and "id" in row:
            team = next((each for each in self.tables["team"] if each["id"] == row.get("team_id")), None)
            row.pop("team_id", None)
            if entity != "team":
                row["team_name"] = team and team["name"]

    def log_layout(self, number):
        templates = self.tables["log_template"]
        chosen = next((each for each in templates if each["id"] == number), None) if number is not None else None
        if number is None and templates:
            chosen = min(templates, key=lambda each: each["id"])
        return chosen and chosen["filename"]


def at(value):
    return value and value["at"]
