"""Run by 2.10.5's own Python after its scheduler stopped: writes through its models what a short run leaves out.

Every state, run type and NULL that 2.10.5 allows, values that break a careless copy (NaN, pickles of all protocols, a
hostile pickle, U+0000), and open runs whose rows must stay behind.
"""

from __future__ import annotations

import datetime as dt
import json
import pickle
import sys
from decimal import Decimal
from fractions import Fraction

import pendulum
from airflow.models import Connection, DagRun, Log, Pool, TaskInstance, Trigger, Variable, XCom
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRunNote
from airflow.models.dataset import DatasetAliasModel, DatasetEvent, DatasetModel
from airflow.models.renderedtifields import RenderedTaskInstanceFields
from airflow.models.slamiss import SlaMiss
from airflow.models.taskfail import TaskFail
from airflow.models.taskinstance import TaskInstanceNote
from airflow.models.taskinstancehistory import TaskInstanceHistory
from airflow.models.taskmap import TaskMap
from airflow.models.taskreschedule import TaskReschedule
from airflow.models.tasklog import LogTemplate
from airflow.providers.fab.auth_manager.models import Action, Permission, Resource, Role, User
from airflow.utils.session import create_session
from sqlalchemy import delete, insert, select, text, update

UTC = dt.timezone.utc
DAY = dt.timedelta(days=1)
BASE = dt.datetime(2023, 5, 1, 2, 3, 4, 567891, tzinfo=UTC)
HISTORY = "seed_history"
UNICODE = "seed_ümlaut.漢字"
OPEN = "seed_open"
UNICODE_TEXT = "ü 漢字 🚀 'single' \"double\" \\ back\ttab\nline"


def company_pickle() -> bytes:
    """What pickling an instance of a class of the company's own gives, protocol 2."""
    return b"\x80\x02ccompany_code.orders\nOrder\nq\x00)\x81q\x01}q\x02X\x02\x00\x00\x00idq\x03K\x07sb."


def hostile_pickle() -> bytes:
    """A pickle that runs a command when it is loaded (a harmless one)."""
    return b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R."


def seed_configuration(session) -> None:
    session.add_all(
        [
            Connection(
                conn_id="seed_full",
                conn_type="postgres",
                host="db.example.com",
                schema="sales",
                login="user ü",
                password="p@ss:wörd/漢字 %40 🚀",
                port=5432,
                description=UNICODE_TEXT,
                extra=json.dumps({"ssl": {"mode": "require"}, "names": ["ü", None, 1.5], "timeout": 10}),
            ),
            Connection(conn_id="seed_long", conn_type="aws", login="l" * 3000, password="x" * 6000),
            Connection(conn_id="seed_nothing", conn_type="generic"),
            Connection(conn_id="seed-odd:1/2#(3)!", conn_type="http", host="https://example.com/a?b=c#d", password=" "),
        ]
    )
    session.flush()
    connection = Connection.__table__
    raw = dict(conn_type="ftp", host="", schema="", login="", description="")
    rows = [
        dict(conn_id="seed_plain", password="not encrypted", extra='{"plain": true}', is_encrypted=False,
             is_extra_encrypted=False, **raw),
        dict(conn_id="seed_flags_null", password=None, extra="free text, no JSON", is_encrypted=None,
             is_extra_encrypted=None, **raw),
        dict(conn_id="seed_flag_without_value", password=None, extra="", is_encrypted=True,
             is_extra_encrypted=True, **raw),
    ]
    for row in rows:
        # Past the model's properties, which would encrypt.
        session.execute(text(
            "insert into connection (conn_id, conn_type, host, schema, login, description, password, extra,"
            " is_encrypted, is_extra_encrypted) values (:conn_id, :conn_type, :host, :schema, :login, :description,"
            " :password, :extra, :is_encrypted, :is_extra_encrypted)"), row)
    assert session.execute(select(connection.c.id)).all()

    Variable.set("seed_json", {"a": [1, {"b": None}], "ü": "漢字"}, serialize_json=True, session=session)
    Variable.set("seed_text", UNICODE_TEXT, description="ein Text: ü", session=session)
    Variable.set("seed_empty", "", session=session)
    Variable.set("seed_long", "0123456789abcdef" * 8000, session=session)
    session.execute(text(
        "insert into variable (key, val, is_encrypted, description) values ('seed_plain', 'as it is', false, null),"
        " ('seed_null', null, null, null), ('seed_plain_null_flag', 'gAAAAA is only how it starts', null, '')"))

    session.add_all(
        [
            Pool(pool="seed_deferred", slots=7, description="ü 漢字", include_deferred=True),
            Pool(pool="seed_unlimited", slots=-1, include_deferred=False),
            Pool(pool="seed_" + "p" * 251, slots=0, description="", include_deferred=False),
            Pool(pool="seed_ü pool", slots=3, description=None, include_deferred=False),
        ]
    )
    session.execute(text("insert into slot_pool (pool, slots, include_deferred) values ('seed_null', null, true)"))
    session.execute(text("update slot_pool set slots = 99, description = 'resized' where pool = 'default_pool'"))


def named(session, model, name):
    """The scheduler may have written it already."""
    return session.scalars(select(model).where(model.name == name)).one_or_none() or model(name=name)


def seed_user(session) -> User:
    admin, custom = named(session, Role, "Admin"), Role(name="seed_role")
    permission = Permission(action=named(session, Action, "can_read"), resource=named(session, Resource, f"DAG:{HISTORY}"))
    custom.permissions = [permission]
    user = User(
        first_name="Zoë", last_name="Öztürk", username="zoe", email="zoe@example.com", active=True,
        password="scrypt:32768:8:1$seed$00", roles=[admin, custom],
    )
    session.add_all([admin, custom, permission, user])
    session.flush()
    return user


def confs() -> dict[str, object]:
    """Run conf by the last part of the run id; bytes are stored as they are."""
    return {
        "none": None,
        "empty": {},
        "empty_protocol_2": pickle.dumps({}, 2),
        "empty_protocol_4": pickle.dumps({}, 4),
        "nested_protocol_2": pickle.dumps({"a": [1, (2, "ü")], "b": {"c": None, "big": 2**80, "f": 0.1}}, 2),
        "nested_protocol_3": pickle.dumps({"a": [1, (2, "ü")], "b": True}, 3),
        "unicode": {"ü": UNICODE_TEXT, "": "empty key", "nul": "a\x00b"},
        "dates": {"at": BASE, "on": dt.date(2023, 5, 1), "pendulum": pendulum.datetime(2023, 5, 1, tz="Europe/Zurich")},
        "not_finite": {"nan": float("nan"), "list": [float("inf"), float("-inf")], "fine": 1.5},
        "set": {"only": {"one"}},
        "undecodable": pickle.dumps({"path": Fraction(1, 3)}, 4),
    }


def seed_finished_runs(session, templates) -> list[DagRun]:
    types = ["manual", "scheduled", "backfill", "dataset_triggered"]
    runs = []
    for number, (name, conf) in enumerate(confs().items()):
        run_type = types[number % 4]
        day = BASE + number * DAY
        run = DagRun(
            dag_id=HISTORY, run_id=f"{run_type}__{name}", execution_date=day, run_type=run_type,
            state="failed" if number % 3 == 2 else "success", external_trigger=run_type == "manual",
            start_date=day + DAY, data_interval=(day, day + DAY), creating_job_id=4711, dag_hash="0" * 32,
        )
        run.end_date, run.queued_at = day + DAY + DAY / 24, day + DAY
        run.last_scheduling_decision, run.clear_number = day + DAY, number % 3
        run.log_template_id = templates[number % 2].id
        if not isinstance(conf, bytes):
            run.conf = conf
        session.add(run)
        session.flush()
        if isinstance(conf, bytes) or conf is None:
            session.execute(text("update dag_run set conf = :conf where id = :id"), {"conf": conf, "id": run.id})
        runs.append(run)

    bare = DagRun(dag_id=HISTORY, run_id="bare", execution_date=dt.datetime(1999, 12, 31, tzinfo=UTC),
                  run_type="manual", state="success")
    late = DagRun(dag_id=UNICODE, run_id="scheduled__2999-01-01T00:00:00+00:00", run_type="scheduled",
                  execution_date=dt.datetime(2999, 1, 1, tzinfo=UTC), state="failed")
    early = DagRun(dag_id=UNICODE, run_id="backfill__1970-01-01T00:00:00+00:00", run_type="backfill",
                   execution_date=dt.datetime(1970, 1, 1, tzinfo=UTC), state="success",
                   data_interval=(dt.datetime(1970, 1, 1, tzinfo=UTC), dt.datetime(1970, 1, 2, tzinfo=UTC)))
    session.add_all([bare, late, early])
    session.flush()
    session.execute(text(
        "update dag_run set start_date = null, end_date = null, queued_at = null, last_scheduling_decision = null,"
        " external_trigger = null, conf = null, updated_at = null, log_template_id = null,"
        " data_interval_start = null, data_interval_end = null where id in (:bare, :late)"),
        {"bare": bare.id, "late": late.id})
    # Releases before 2.6.3 took any text as a run id.
    session.execute(text("update dag_run set run_id = 'bare ü 100% +#?&' where id = :id"), {"id": bare.id})
    session.refresh(bare)
    return [*runs, bare, late, early]


def add_task(session, run, task_id, state, **values) -> None:
    """Past the model, which wants a task object."""
    row = dict(
        dag_id=run.dag_id, run_id=run.run_id, task_id=task_id, map_index=-1, state=state, try_number=1, max_tries=0,
        pool="default_pool", pool_slots=1, executor_config=values.pop("executor_config", {}),
    )
    session.execute(insert(TaskInstance.__table__).values({**row, **values}))


FULL_TASK = dict(
    start_date=BASE, end_date=BASE + DAY / 48, duration=1800.25, hostname="worker-1.example.com", unixname="airflow",
    job_id=12, queue="default", priority_weight=3, operator="BashOperator", custom_operator_name="@task.bash",
    queued_dttm=BASE - DAY / 1440, queued_by_job_id=13, pid=4242, updated_at=BASE + DAY,
    external_executor_id="celery-id-1", task_display_name="Lade Daten ü 漢字", executor="LocalExecutor",
)


def seed_tasks(session, runs) -> None:
    all_states = next(run for run in runs if run.run_id == "backfill__empty_protocol_2")
    states = [None, "scheduled", "queued", "running", "success", "failed", "up_for_retry", "up_for_reschedule",
              "upstream_failed", "skipped", "removed", "restarting", "deferred", "shutdown"]
    for number, state in enumerate(states):
        full = FULL_TASK if number % 2 else {}
        add_task(session, all_states, f"state_{state}", state, **full)
    for run in runs:
        add_task(session, run, "main", run.state, **FULL_TASK)
    first = runs[0]
    add_task(session, first, "all_null", "success", try_number=None, max_tries=None, executor_config=None)
    add_task(session, first, "g" * 200 + ".ümlaut_漢字", "success", pool="seed_deferred", pool_slots=3,
             executor_config={"KubernetesExecutor": {"image": "ü:1", "request_memory": 2**40}}, **FULL_TASK)
    add_task(session, first, "was_deferred", "failed", trigger_timeout=dt.datetime(2023, 5, 1, 3),
             next_method="execute_complete", next_kwargs={"__type": "dict", "__var": {"n": 1}}, **FULL_TASK)
    for index in range(3):
        add_task(session, first, "mapped", "success", map_index=index, rendered_map_index=f"Datei {index} ü", **FULL_TASK)
    add_task(session, first, "list", "success", **FULL_TASK)
    add_task(session, first, "dict", "success", **FULL_TASK)
    session.add_all([
        TaskMap(dag_id=HISTORY, task_id="list", run_id=first.run_id, map_index=-1, length=3, keys=None),
        TaskMap(dag_id=HISTORY, task_id="dict", run_id=first.run_id, map_index=-1, length=2, keys=["ü", "b"]),
    ])
    seed_tries(session, first)
    seed_rendered(session, first)


def seed_tries(session, run) -> None:
    add_task(session, run, "retried", "success", **{**FULL_TASK, "try_number": 4, "max_tries": 5})
    table = TaskInstanceHistory.__table__
    key = dict(dag_id=run.dag_id, run_id=run.run_id, task_id="retried", map_index=-1, pool="default_pool", pool_slots=1)
    for number, state in enumerate(["failed", "shutdown", None], start=1):
        values = FULL_TASK if number < 3 else dict(executor_config=None, max_tries=None, duration=None)
        session.execute(insert(table).values({"executor_config": {}, "max_tries": 5, **values, **key,
                                              "try_number": number, "state": state}))
    for seconds in (10, 20):
        session.execute(insert(TaskReschedule.__table__).values(
            dag_id=run.dag_id, run_id=run.run_id, task_id="retried", map_index=-1, try_number=4,
            start_date=BASE + dt.timedelta(seconds=seconds), end_date=BASE + dt.timedelta(seconds=seconds + 1),
            duration=1, reschedule_date=BASE + dt.timedelta(seconds=seconds + 10)))
    session.execute(insert(TaskFail.__table__).values(
        dag_id=run.dag_id, run_id=run.run_id, task_id="retried", map_index=-1, start_date=BASE, end_date=BASE + DAY / 24,
        duration=3600))
    session.add(SlaMiss(dag_id=run.dag_id, task_id="retried", execution_date=run.execution_date, email_sent=False,
                        timestamp=BASE, description=UNICODE_TEXT, notification_sent=True))


def seed_rendered(session, run) -> None:
    fields = {"bash_command": UNICODE_TEXT, "env": {"A": "1", "ü": None}, "op_args": [1, [2.5]], "long": "y" * 5000}
    session.execute(insert(RenderedTaskInstanceFields.__table__).values(
        dag_id=run.dag_id, run_id=run.run_id, task_id="retried", map_index=-1, rendered_fields=fields,
        k8s_pod_yaml={"kind": "Pod", "metadata": {"name": "ü"}}))
    session.execute(insert(RenderedTaskInstanceFields.__table__).values(
        dag_id=run.dag_id, run_id=run.run_id, task_id="mapped", map_index=2, rendered_fields={}))


def seed_xcoms(session, run) -> None:
    add_task(session, run, "xcoms", "success", **FULL_TASK)
    values = {
        "nan": b"NaN",
        "not_finite": b'{"a": NaN, "b": [Infinity, -Infinity, 1], "text": "NaN, Infinity"}',
        "null": b"null",
        "sql_null": None,
        "nul_character": b'{"a\\u0000b": "c\\u0000d", "kept": "\\\\u0000"}',
        "half_a_character": b'"a\\ud800b"',
        "duplicate_keys": b'{"a": 1, "a": 2}',
        "huge_float": b"1.7976931348623157e+308",
        "integer_like_float": b"1.0",
        "negative_zero": b"-0.0",
        # Airflow 3 keeps it, but its workers cannot pull it.
        "beyond_64_bits": b"1180591620717411303424",
        "deep": b"[" * 60 + b"1" + b"]" * 60,
        "raw_utf8": '"ü 漢字 🚀"'.encode(),
        "old_airflow_json": b'{"__var": {"a": 1}, "__type": "dict"}',
        "k" * 500 + "ü": b"1",
    }
    objects = {
        "none": None, "true": True, "integer": 7, "big": 2**100, "negative_big": -(2**70), "float": 0.1,
        "nan": float("nan"), "text": UNICODE_TEXT, "dict": {"a": [1, {"b": None}], "ü": "漢字"}, "list": [1, "two", 3.0],
        "tuple": (1, ("two", None)), "set": {"one"}, "frozen_set": frozenset([1]), "naive": BASE.replace(tzinfo=None),
        "aware": BASE, "pendulum": pendulum.datetime(2023, 5, 1, 12, tz="Europe/Zurich"),
        "date": dt.date(2023, 5, 1), "duration": dt.timedelta(days=-1, microseconds=5), "decimal": Decimal("1E-7"),
        "with_datetime": {"at": BASE, "in": [dt.timedelta(seconds=90)]}, "nul": "a\x00b", "fraction": Fraction(1, 3),
    }
    for name, value in objects.items():
        values[f"pickle_{name}"] = pickle.dumps(value, 4)
    for protocol in (2, 3, 5):
        values[f"pickle_protocol_{protocol}"] = pickle.dumps({"p": protocol, "s": {"x"}, "at": BASE, "t": (1, 2)}, protocol)
    values["pickle_company"] = company_pickle()
    values["pickle_hostile"] = hostile_pickle()
    values["pickle_cut_off"] = pickle.dumps({"a": "long enough"}, 4)[:-3]
    for number, (key, value) in enumerate(values.items()):
        session.execute(insert(XCom.__table__).values(
            dag_run_id=run.id, dag_id=run.dag_id, run_id=run.run_id, task_id="xcoms", map_index=-1, key=key,
            value=value, timestamp=BASE + dt.timedelta(microseconds=number)))
    session.execute(insert(XCom.__table__).values(
        dag_run_id=run.id, dag_id=run.dag_id, run_id=run.run_id, task_id="mapped", map_index=1, key="return_value",
        value=b"[1]", timestamp=BASE))


def seed_notes(session, runs, user) -> None:
    note, note_table = DagRunNote.__table__, TaskInstanceNote.__table__
    for number, run in enumerate(runs[:3]):
        content = [UNICODE_TEXT, "z" * 1000, ""][number]
        session.execute(insert(note).values(dag_run_id=run.id, content=content, user_id=user.id if number else None,
                                            created_at=BASE, updated_at=BASE + DAY))
    for task_id, index, content in (("retried", -1, UNICODE_TEXT), ("mapped", 1, "z" * 1000), ("mapped", 2, None)):
        session.execute(insert(note_table).values(
            dag_id=runs[0].dag_id, run_id=runs[0].run_id, task_id=task_id, map_index=index, content=content,
            user_id=user.id if index != 2 else None, created_at=BASE, updated_at=BASE))
    genuine = session.scalars(select(DagRun).where(DagRun.dag_id == "cw_outcomes")).first()
    if genuine is not None:
        session.execute(insert(note).values(dag_run_id=genuine.id, content="looked into it", user_id=user.id,
                                            created_at=BASE, updated_at=BASE))


def seed_log(session, run) -> None:
    full = dict(dttm=BASE, event="trigger", owner="zoe", owner_display_name="Zoë Öztürk", extra=UNICODE_TEXT,
                dag_id=run.dag_id, run_id=run.run_id, task_id="retried", map_index=-1, try_number=4,
                execution_date=run.execution_date)
    rows = [
        full,
        full,  # The audit log may hold the same row twice.
        {**full, "map_index": 2, "task_id": "mapped", "extra": json.dumps({"conf": {"a": 1}})},
        dict(dttm=BASE, event="cli_pool_set", owner="root", extra='{"host_name": "h"}'),
        dict(dttm=None, event=None, extra=None),
        dict(dttm=BASE, event="e" * 60, dag_id=run.dag_id),
        dict(dttm=BASE, event="old", dag_id=run.dag_id, task_id="main", execution_date=run.execution_date),
        dict(dttm=BASE, event="of a run that is gone", dag_id="gone", run_id="gone"),
        dict(dttm=BASE, event="of an open run", dag_id=OPEN, run_id="manual__running", task_id="main"),
    ]
    for row in rows:
        session.execute(insert(Log.__table__).values(row))


def seed_datasets(session, run) -> None:
    lake = DatasetModel(uri="s3://seed/a%20b?x=1&y=2", extra={"n": [1, None]}, is_orphaned=False)
    orphan = DatasetModel(uri="seed-orphan", extra={}, is_orphaned=True)
    alias = DatasetAliasModel(name="seed-alias")
    session.add_all([lake, orphan, alias])
    session.flush()
    event = DatasetEvent(dataset_id=lake.id, extra={"ü": 1.5}, source_dag_id=run.dag_id, source_run_id=run.run_id,
                         source_task_id="retried", source_map_index=-1, timestamp=BASE)
    from_outside = DatasetEvent(dataset_id=orphan.id, extra={"from_rest_api": True}, timestamp=BASE + DAY)
    session.add_all([event, from_outside])
    alias.datasets.append(lake)
    alias.dataset_events.append(event)
    triggered = session.scalars(select(DagRun).where(DagRun.run_id == "dataset_triggered__empty_protocol_4")).one()
    triggered.consumed_dataset_events.extend([event, from_outside])
    session.flush()


def seed_open_runs(session) -> None:
    """Work in progress: nothing of it may arrive on the target."""
    trigger = Trigger(classpath="airflow.triggers.temporal.DateTimeTrigger", kwargs={"moment": BASE})
    session.add(trigger)
    for number, state in enumerate(["running", "queued"]):
        run = DagRun(dag_id=OPEN, run_id=f"manual__{state}", run_type="manual", state=state,
                     execution_date=BASE + number * DAY, start_date=BASE, external_trigger=True, conf={"open": True})
        session.add(run)
        session.flush()
        add_task(session, run, "main", "running" if number == 0 else None, **FULL_TASK)
        add_task(session, run, "finished", "success", **FULL_TASK)
        if number == 0:
            add_task(session, run, "waiting", "deferred", trigger_id=trigger.id, next_method="execute_complete",
                     trigger_timeout=dt.datetime(2099, 1, 1), **FULL_TASK)
            for task_state in ("scheduled", "queued", "up_for_retry", "up_for_reschedule", "restarting"):
                add_task(session, run, f"state_{task_state}", task_state, **FULL_TASK)
        session.execute(insert(XCom.__table__).values(
            dag_run_id=run.id, dag_id=OPEN, run_id=run.run_id, task_id="finished", map_index=-1, key="return_value",
            value=b'"open"', timestamp=BASE))
        session.execute(insert(DagRunNote.__table__).values(dag_run_id=run.id, content="open", created_at=BASE,
                                                            updated_at=BASE))


def delete_dag(session, dag_id: str) -> None:
    """What happens when somebody deletes a DAG's file and its row, and keeps its history."""
    for table in ("serialized_dag", "dag_tag", "dag"):
        session.execute(text(f"delete from {table} where dag_id = :dag_id"), {"dag_id": dag_id})


def main() -> None:
    with create_session() as session:
        seed_configuration(session)
        user = seed_user(session)
        old = LogTemplate(filename="{{ ti.dag_id }}/{{ ti.task_id }}/{{ ts }}/{{ try_number }}.log",
                          elasticsearch_id="{dag_id}-{task_id}-{execution_date}-{try_number}")
        session.add(old)
        session.flush()
        templates = session.scalars(select(LogTemplate).order_by(LogTemplate.id)).all()
        session.add(DagModel(dag_id=HISTORY, is_paused=True, is_active=False, fileloc="/gone/seed_history.py",
                             max_active_tasks=16, max_consecutive_failed_dag_runs=0, has_task_concurrency_limits=False))
        runs = seed_finished_runs(session, templates)
        seed_tasks(session, runs)
        seed_xcoms(session, runs[0])
        seed_notes(session, runs, user)
        seed_log(session, runs[0])
        seed_datasets(session, runs[0])
        seed_open_runs(session)
        delete_dag(session, "cw_deleted")
        # The order of the log layouts says which one new runs get: keep the genuine one the newest.
        session.execute(update(LogTemplate).where(LogTemplate.id == old.id).values(created_at=BASE))
    json.dump({"runs": len(runs) + 2}, sys.stdout)


if __name__ == "__main__":
    main()
