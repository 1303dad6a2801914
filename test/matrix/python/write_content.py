"""Fills a metadata database by the genuine release whose Python runs this, any from 1.10 to 3.3.

First that release runs a DAG of dags/matrix_real.py; then its own tables (models, with the encodings of that release) take what a short run
does not leave behind: every entity, state and run type, NULL wherever the schema allows it, each column filled at least once, text of all
kinds, pickles, history of deleted DAGs, and open runs that have to stay behind.
"""

from __future__ import annotations

import datetime as dt
import json
import sys

from content_values import UPGRADABLE, confs, run_types, task_states, values_of_xcoms
from models import Base, import_models, open_session
from writer import BASE, RELEASE, TEXT, UTC, Writer

DAY = dt.timedelta(days=1)
FINISHED = ("success", "failed")


def write_objects(w) -> None:
    from airflow.models import Connection, Variable

    extra = json.dumps({"ssl": {"mode": "require"}, "names": ["ü", None, 1.5]})
    made = [
        dict(conn_id="m_full", conn_type="postgres", host="db.example.com", schema="sales", login="user ü",
             password="p@ss:wörd/漢字 %40", port=5432, extra=extra),
        dict(conn_id="m_nothing", conn_type="generic"),
        dict(conn_id="m-odd:1/2#(3)!" if RELEASE < (3, 0) else "m-odd.1", conn_type="http", host="https://example.com/a?b=c#d", password=" "),
    ]
    for values in made:
        w.session.add(Connection(**values))
    w.session.flush()
    w.put("connection", "bare", conn_id="m_bare", conn_type="ftp")
    insert = ("insert into connection (conn_id, conn_type, login, password, extra, is_encrypted, is_extra_encrypted)"
              " values (:id, :type, :login, :password, :extra, :flag, :extra_flag)")
    w.run(insert, id="m_plain", type="ftp", login="l" * 400, password="not encrypted", extra='{"plain": true}', flag=False, extra_flag=False)
    w.run(insert, id="m_flag_without_value", type="ftp", login="", password="", extra="", flag=True, extra_flag=True)
    if RELEASE < (2, 0) and not UPGRADABLE:
        w.run(insert, id="m_full", type="http", login="a second one", password=None, extra=None, flag=False, extra_flag=False)
        w.run(insert, id="m_no_type", type=None, login="", password=None, extra="free text", flag=False, extra_flag=False)
        w.run(insert, id="imap_default_x", type=None, login="", password=None, extra=None, flag=False, extra_flag=False)
        w.run(insert, id=None, type="http", login="nobody", password=None, extra=None, flag=False, extra_flag=False)
    if RELEASE >= (2, 0):
        w.run("update connection set description = :text where conn_id = 'm_plain'", text=TEXT)

    Variable.set("m_json", {"a": [1, {"b": None}], "ü": "漢字"}, serialize_json=True)
    Variable.set("m_text", TEXT)
    Variable.set("m_empty", "")
    Variable.set("m_long", "0123456789abcdef" * 800)
    w.run("insert into variable (key, val, is_encrypted) values ('m_plain', 'as it is', false),"
          " ('m_plain_token_like', 'gAAAAA is only how it starts', false)")
    if RELEASE < (3, 2):
        w.run("insert into variable (key, val, is_encrypted) values ('m_null', null, null), (null, 'nobody asks', false)")
    if w.has("variable", "description"):
        w.run("update variable set description = :text where key = 'm_text'", text=TEXT)

    for pool, slots, text in (("m_ü pool", 3, None), ("m_unlimited", -1, TEXT), ("m_" + "p" * 48, 0, "")):
        w.put("slot_pool", pool=pool, slots=slots, description=text, include_deferred=True)
    if RELEASE < (3, 2):
        w.put("slot_pool", "bare", pool="m_null", include_deferred=False)
    w.run("update slot_pool set slots = 99, description = 'resized' where pool = 'default_pool'")


def write_team(w):
    if not w.has("team"):
        return None
    team = w.put("team", name="m_team")
    value = {"team_id": team} if w.has("team", "id") else {"team_name": "m_team"}
    for table in ("connection", "variable", "slot_pool"):
        name = {"connection": "conn_id", "variable": "key", "slot_pool": "pool"}[table]
        chosen = {"connection": "m_full", "variable": "m_text", "slot_pool": "m_unlimited"}[table]
        column, = value
        if w.has(table, column):
            w.run("update {} set {} = :value where {} = :name".format(table, column, name), value=value[column], name=chosen)
    if w.has("dag_bundle_team"):
        w.put("dag_bundle", name="m_bundle", active=True)
        w.put("dag_bundle_team", dag_bundle_name="m_bundle", **value)
    return team


def write_dags(w) -> None:
    rows = [("m_hist", True, False), ("m_ümlaut.漢字", False, False), ("m_gone", True, True), ("m_open", False, False)]
    for dag_id, paused, stale in rows:
        values = dict(dag_id=dag_id, is_paused=paused, is_active=not stale, is_stale=stale, is_subdag=False, fileloc="/gone/" + dag_id,
                      max_active_tasks=7, concurrency=7, max_active_runs=3, has_task_concurrency_limits=False,
                      max_consecutive_failed_dag_runs=2, timetable_type="", bundle_name="dags-folder", partition_mapper_info=[],
                      timetable_summary="@daily", schedule_interval="@daily" if RELEASE < (3, 0) else None)
        if w.has("dag_bundle") and not w.run("select 1 from dag_bundle where name = 'dags-folder'").fetchall():
            w.put("dag_bundle", name="dags-folder", active=True)
        w.put("dag", **values)
        w.put("dag_tag", name="tag ü", dag_id=dag_id)
    w.put("dag_favorite", user_id="admin ü", dag_id="m_hist")
    if RELEASE < (3, 0):
        w.put("dag", dag_id="m_hist.sub", is_paused=True, is_active=True, is_subdag=True, root_dag_id="m_hist", max_active_tasks=16,
              concurrency=16, has_task_concurrency_limits=False, max_consecutive_failed_dag_runs=0)


def write_runs(w) -> dict:
    """Gives the number of each finished run by (dag, run id)."""
    runs, number = {}, 0

    def add(dag_id, run_id, run_type, state, how, **values):
        nonlocal number
        number += 1
        day = values.pop("at", BASE + number * DAY)
        given = dict(dag_id=dag_id, run_id=run_id, run_type=run_type, state=state, logical_date=day, run_after=day + DAY, clear_number=2,
                     span_status="ended", external_trigger=run_type == "manual", start_date=day + DAY, end_date=day + DAY + DAY / 24)
        if how == "bare":
            for name in ("external_trigger", "start_date", "end_date"):
                given.pop(name)
        else:
            given.update(data_interval_start=day, data_interval_end=day + DAY)
        if how == "full":
            given.setdefault("conf", {"key": "ü"})
        given.update(values)
        w.put("dag_run", how, **given)
        key = w.run("select id from dag_run where dag_id = :d and run_id = :r", d=dag_id, r=run_id).fetchall()
        runs[dag_id, run_id] = key[0][0]

    for run_type in run_types():
        for state in FINISHED:
            prefix = "backfill_" if run_type == "backfill" and RELEASE < (2, 0) else run_type + "__"
            add("m_hist", prefix + state, run_type, state, "full")
    add("m_hist", "an odd id ü ~1:2+3", "manual", "success", "bare")
    add("m_ümlaut.漢字", "scheduled__2999", "scheduled", "failed", "bare", at=dt.datetime(2999, 1, 1, tzinfo=UTC))
    add("m_ümlaut.漢字", "backfill__1970", "backfill", "success", "bare", at=dt.datetime(1970, 1, 1, tzinfo=UTC))
    add("m_no_dag_row", "manual__1", "manual", "success", "full")
    for name, conf in confs().items():
        raw = isinstance(conf, bytes)
        add("m_hist", "manual__conf_" + name, "manual", "success", "plain", **({} if raw or conf is None else {"conf": conf}))
        if raw:
            w.run("update dag_run set conf = :conf where run_id = :run", conf=conf, run="manual__conf_" + name)
    if RELEASE >= (3, 0):
        for name in ("a", "b"):
            add("m_hist", "manual__undated_" + name, "manual", "success", "plain", logical_date=None, run_after=BASE,
                data_interval_start=None, data_interval_end=None)
        add("m_hist", "asset_triggered__undated", "asset_triggered", "failed", "plain", logical_date=None, run_after=BASE + 3 * DAY)
    open_states = ["running"] + (["queued"] if RELEASE >= (2, 2) else [])
    for state in open_states:
        add("m_open", "manual__" + state, "manual", state, "full")
    add("m_open", "manual__stateless", "manual", None, "plain")
    return runs


def put_task(w, run, task_id, state, how="plain", **values):
    dag_id, run_id = run
    date = w.run("select {} from dag_run where dag_id = :d and run_id = :r".format("logical_date" if RELEASE >= (3, 0) else "execution_date"),
                 d=dag_id, r=run_id).fetchall()[0][0]
    given = dict(dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=-1, state=state, logical_date=date, pool="default_pool",
                 pool_slots=2, try_number=1, max_tries=2, span_status="ended", executor_config={}, next_method="execute_complete",
                 next_kwargs={"event": {"a": [1, "ü"]}}, hostname="", unixname="root", queue="default",
                 priority_weight=1, operator="PythonOperator", duration=1.5)
    if "execution_date" not in Base.metadata.tables["task_instance"].c:
        given.pop("logical_date")
    if how == "bare":
        for name in ("next_method", "next_kwargs", "executor_config", "hostname", "unixname", "duration"):
            given.pop(name)
        if RELEASE >= (3, 2):
            given.update(try_number=0, max_tries=-1)
        elif RELEASE < (3, 0):
            given.update(try_number=None, max_tries=None)
    given.update(values)
    w.put("task_instance", how, **given)
    if w.has("task_instance", "id"):
        key = w.run("select id from task_instance where dag_id=:d and task_id=:t and run_id=:r and map_index=:m", d=dag_id, t=task_id,
                    r=run_id, m=given["map_index"]).fetchall()[0][0]
        return str(key) if RELEASE < (3, 2) else key
    return None


def write_tasks(w, runs) -> dict:
    first = ("m_hist", "manual__success")
    ids = {}
    for state in task_states():
        for attempts in (0, 3):
            put_task(w, first, "state_{}_{}".format(state, attempts), state, try_number=attempts)
    ids["full"] = put_task(w, first, "full ü", "success", "full", max_tries=3, try_number=2)
    ids["bare"] = put_task(w, first, "bare", "failed", "bare")
    put_task(w, first, "config", "success", executor_config={"KubernetesExecutor": {"image": "ü"}}, try_number=1)
    for run in runs:
        if run != first:
            ids[run] = put_task(w, run, "main", "running" if run[0] == "m_open" else "success", "full")
    if w.has("task_instance", "map_index"):
        for index in range(3):
            ids["mapped", index] = put_task(w, first, "mapped", "success", map_index=index)
        w.put("task_map", dag_id=first[0], task_id="full ü", run_id=first[1], map_index=-1, length=3, keys=["a", "ü"])
        w.put("task_map", dag_id=first[0], task_id="bare", run_id=first[1], map_index=-1, length=2, keys=None)
    if RELEASE < (2, 2):
        w.put("task_instance", dag_id="m_hist", task_id="dangling", logical_date=BASE - 99 * DAY, state="success", pool="default_pool",
              pool_slots=1)
    if w.has("task_instance_history"):
        for attempt, how in ((1, "full"), (2, "plain")):
            w.put("task_instance_history", how, dag_id=first[0], task_id="full ü", run_id=first[1], map_index=-1, try_number=attempt,
                  state=["failed", "up_for_retry"][attempt - 1], pool="default_pool", pool_slots=1, max_tries=3, span_status="ended",
                  task_display_name="full ü shown" if how == "full" or RELEASE >= (3, 0) else None, executor_config={}, next_kwargs={},
                  start_date=BASE, end_date=BASE + DAY, hostname="h", unixname="u", queue="default", priority_weight=1, duration=1.5)
    return ids


def encoded(value, key):
    """What that release's own XCom makes of a value; undecided bytes and NULL stay."""
    from airflow.models import XCom

    if key.startswith(("raw_", "pickle_")):
        return value
    if RELEASE >= (3, 0):
        return value
    return XCom.serialize_value(value)


def write_xcoms(w, runs) -> None:
    first = ("m_hist", "manual__success")
    date = w.run("select {} from dag_run where id = :id".format("logical_date" if RELEASE >= (3, 0) else "execution_date"),
                 id=runs[first]).fetchall()[0][0]

    def put(key, value, task_id="full ü", run=first, map_index=-1, at=BASE):
        given = dict(dag_id=run[0], run_id=run[1], dag_run_id=runs[run], task_id=task_id, map_index=map_index, key=key, timestamp=at)
        if "execution_date" in Base.metadata.tables["xcom"].c:
            given["execution_date"] = date
        w.put("xcom", value=value, **given)

    for number, (key, value) in enumerate(values_of_xcoms().items()):
        put(key, encoded(value, key), at=BASE + dt.timedelta(microseconds=number))
    put("k" * 500 + "ü", encoded(1, "k"))
    if w.has("xcom", "map_index"):
        put("return_value", encoded([1], "m"), "mapped", map_index=1)
    if RELEASE < (2, 3):
        put("of_no_task", encoded(1, "x"), "a task that is gone")
        w.put("xcom", dag_id="m_hist", task_id="dangling", key="of_no_run", execution_date=BASE - 98 * DAY, timestamp=BASE, value=encoded(1, "x"))
    if RELEASE < (2, 0) and not UPGRADABLE:
        put("text", encoded("the newer one", "x"), at=BASE + DAY)
        put(None, encoded(1, "x"))
    if w.has("xcom", "dag_result"):
        w.run("update xcom set dag_result = true where key = 'integer'")
    opened = ("m_open", "manual__running")
    if "execution_date" not in Base.metadata.tables["xcom"].c:
        put("return_value", encoded("open", "x"), "main", run=opened)


def write_around_tasks(w, runs, ids) -> None:
    first = ("m_hist", "manual__success")
    date = w.run("select {} from dag_run where id = :id".format("logical_date" if RELEASE >= (3, 0) else "execution_date"),
                 id=runs[first]).fetchall()[0][0]
    of_full = dict(dag_id=first[0], task_id="full ü", run_id=first[1], map_index=-1, ti_id=ids["full"])
    dated = dict(of_full, execution_date=date)
    for seconds in (10, 20):
        moment = BASE + dt.timedelta(seconds=seconds)
        w.put("task_reschedule", **dict(dated, try_number=2, start_date=moment, end_date=moment + DAY / 24, duration=3600,
                                        reschedule_date=moment + DAY / 12))
    w.put("task_fail", "full", **dated)
    w.put("task_fail", "bare", **dated)
    if RELEASE < (2, 3):
        w.put("task_fail", "bare", **dict(dated, execution_date=BASE - 97 * DAY))
    for task, how in (("full ü", "full"), ("bare", "bare"), ("without a run", "full")):
        w.put("sla_miss", how, email_sent=False, notification_sent=True, timestamp=BASE, dag_id="m_hist", task_id=task, execution_date=date if task != "without a run" else BASE - 96 * DAY)
    fields = {"bash_command": TEXT, "env": {"A": "1", "ü": None}, "op_args": [1, [2.5]], "long": "y" * 3000}
    w.put("rendered_task_instance_fields", **dict(dated, rendered_fields=fields, k8s_pod_yaml={"kind": "Pod", "name": "ü"}))
    w.put("rendered_task_instance_fields", **dict(dated, task_id="bare", rendered_fields={}, ti_id=ids["bare"]))
    user = write_user(w)
    text = dict(created_at=BASE, updated_at=BASE + DAY)
    for number, (run, key) in enumerate(list(runs.items())[:4]):
        w.put("dag_run_note", dag_run_id=key, content=[TEXT, "z" * 1000, "", None][number], user_id=user if number == 0 else None, **text)
    w.put("task_instance_note", content=TEXT, user_id=user, **of_full, **text)
    w.put("task_instance_note", content=None, user_id=None, **dict(of_full, task_id="bare", ti_id=ids["bare"]), **text)
    if w.has("task_instance", "map_index"):
        w.put("task_instance_note", content="z" * 1000, user_id=None, **dict(of_full, task_id="mapped", map_index=1, ti_id=ids["mapped", 1]), **text)
    question = dict(options=["Approve", "Reject ü"], subject="May I? ü", body="# **Body**", defaults=["Approve"], multiple=False,
                    params={"p": {"value": 1}}, assignees=[{"id": "1", "name": "zoe"}], created_at=BASE, responded_at=BASE + DAY,
                    responded_by={"id": "1", "name": "zoë"}, chosen_options=["Approve"], params_input={"p": 2})
    w.put("hitl_detail", ti_id=ids["full"], **question)
    w.put("hitl_detail", ti_id=ids["bare"], options=["A"], subject="s", params={}, params_input={}, created_at=BASE)
    if w.has("hitl_detail_history"):
        history, = w.run("select task_instance_id from task_instance_history where try_number = 1 and task_id = 'full ü'").fetchall()
        w.put("hitl_detail_history", ti_history_id=history[0], **question)
    w.put("task_state_store", dag_run_id=runs[first], key="progress ü", value=json.dumps({"n": [1, "ü"]}), updated_at=BASE,
          **{name: of_full[name] for name in ("dag_id", "task_id", "run_id", "map_index")})


def write_user(w):
    """Who wrote the notes: a number of ab_user up to 2.11, a name from 3.0 on."""
    if not w.has("dag_run_note"):
        return None
    if RELEASE >= (3, 0):
        return "zoë"
    return w.run("insert into ab_user (id, first_name, last_name, username, email, active) values (nextval('ab_user_id_seq'), 'Zoë', 'Ö', 'zoe', 'zoe@example.com', true)"
                 " returning id").fetchall()[0][0]


def write_log(w) -> None:
    first = dict(dag_id="m_hist", task_id="full ü", run_id="manual__success", map_index=-1, try_number=2, logical_date=BASE)
    w.put("log", "full", event="trigger", **first)
    w.put("log", "full", event="trigger", **first)
    w.put("log", "bare", dttm=BASE, event="" if RELEASE >= (3, 2) else None)
    w.put("log", dttm=BASE, event="e" * (60 if RELEASE >= (2, 9) else 30), owner="root", extra=TEXT)
    w.put("log", dttm=BASE, event="of a run that is gone", dag_id="gone", run_id="gone")
    w.put("log", dttm=BASE, event="of an open run", dag_id="m_open", run_id="manual__running", task_id="main")


def write_assets(w, runs) -> None:
    table = "asset" if w.has("asset") else "dataset"
    if not w.has(table):
        return
    event_table = table + "_event"
    key = w.put(table, uri="s3://m/a%20b?x=1&y=2", name="m asset ü", group="asset", extra={"n": [1, None]}, is_orphaned=False)
    second = w.put(table, uri="m-orphan", name="m-orphan", group="asset", extra={}, is_orphaned=True)
    if RELEASE >= (3, 0):
        third = w.put(table, uri="m-orphan", name="another name", group="model", extra={})
        w.put(event_table, asset_id=third, extra={"third": True}, timestamp=BASE + 2 * DAY)
    full = w.put(event_table, asset_id=key, extra={"ü": 1.5}, source_dag_id="m_hist", source_run_id="manual__success",
                 source_task_id="full ü", source_map_index=-1, timestamp=BASE)
    w.put(event_table, "bare", asset_id=second, timestamp=BASE + DAY, extra={"from_rest_api": True})
    consumer = runs["m_hist", "asset_triggered__success" if RELEASE >= (3, 0) else "dataset_triggered__success"]
    w.put("dagrun_asset_event" if RELEASE >= (3, 0) else "dagrun_dataset_event", dag_run_id=consumer, event_id=full)
    queue = "asset_dag_run_queue" if RELEASE >= (3, 0) else "dataset_dag_run_queue"
    w.put(queue, asset_id=key, target_dag_id="m_hist", created_at=BASE)
    w.put("asset_state_store", asset_id=key, key="watermark ü", value='{"at": 1}', updated_at=BASE, last_updated_by_kind="task")
    if w.has("asset_event", "partition_key"):
        w.run("update asset_event set partition_key = '2024-01-01' where id = :id", id=full)


def write_backfill(w, runs) -> None:
    if not w.has("backfill"):
        return
    values = dict(dag_id="m_hist", from_date=BASE, to_date=BASE + 3 * DAY, dag_run_conf={"a": "ü"}, is_paused=False,
                  reprocess_behavior="none", max_active_runs=2, created_at=BASE, updated_at=BASE + DAY)
    done = w.put("backfill", completed_at=BASE + 2 * DAY, triggering_user_name="zoë", **values)
    w.put("backfill", **values)
    run = runs["m_hist", "backfill__success"]
    w.put("backfill_dag_run", backfill_id=done, dag_run_id=run, logical_date=BASE, sort_ordinal=1)
    w.put("backfill_dag_run", backfill_id=done, dag_run_id=None, exception_reason="already exists", logical_date=BASE + DAY, sort_ordinal=2)
    if RELEASE >= (3, 2):
        w.put("backfill_dag_run", backfill_id=done, dag_run_id=None, logical_date=None, partition_key="p", exception_reason="in flight", sort_ordinal=3)
    w.run("update dag_run set backfill_id = :b where id = :r", b=done, r=run)


def write_log_templates(w, runs) -> None:
    if not w.has("log_template"):
        return
    w.session.flush()
    newest, = w.run("select filename, elasticsearch_id, created_at from log_template order by id desc limit 1").fetchall()
    old = w.put("log_template", filename="{{ ti.dag_id }}/{{ ti.task_id }}/{{ ts }}/{{ try_number }}.log", elasticsearch_id="old-{dag_id}", created_at=BASE)
    w.put("log_template", filename=newest[0], elasticsearch_id=newest[1], created_at=newest[2])
    w.run("update dag_run set log_template_id = (select max(id) from log_template) where dag_id = 'm_hist'")
    w.run("update dag_run set log_template_id = :old where id = :run", old=old, run=runs["m_hist", "scheduled__success"])
    w.run("update dag_run set log_template_id = null where id = :run", run=runs["m_hist", "scheduled__failed"])


def write_live(w) -> None:
    """Work in progress that has to stay behind."""
    if not w.has("trigger"):
        return
    from airflow.models import Trigger

    trigger = Trigger(classpath="airflow.triggers.temporal.DateTimeTrigger", kwargs={"moment": "2024"})
    w.session.add(trigger)
    w.session.flush()
    w.run("update task_instance set trigger_id = :id, state = 'deferred' where dag_id = 'm_open' and run_id = 'manual__running'", id=trigger.id)


def run_dag() -> None:
    """By that release's own command, in this process."""
    if RELEASE < (2, 0):
        from airflow.bin.cli import CLIFactory

        parser, args = CLIFactory.get_parser(), ["backfill", "matrix_real", "-s", "2024-04-01", "-e", "2024-04-01", "-x"]
    else:
        from airflow.cli.cli_parser import get_parser

        parser, args = get_parser(), ["dags", "test", "matrix_real", "2024-04-01"]
    sys.argv = ["airflow", *args]  # releases before 2.1 look there
    parsed = parser.parse_args(args)
    try:
        parsed.func(parsed)
    except (SystemExit, Exception) as error:  # a failed task ends the command, too
        print("matrix_real ended with", repr(error)[:300], file=sys.stderr)


def write_everything() -> None:
    with open_session() as session:
        w = Writer(session)
        write_objects(w)
        write_dags(w)
        runs = write_runs(w)
        ids = write_tasks(w, runs)
        write_xcoms(w, runs)
        write_around_tasks(w, runs, ids)
        write_log(w)
        write_assets(w, runs)
        write_backfill(w, runs)
        write_log_templates(w, runs)
        write_team(w)
        write_live(w)
        finish_genuine_runs(w)


def finish_genuine_runs(w) -> None:
    """A failed `dags test` of some releases leaves its run open. Without the run there is no genuine content."""
    tasks, = w.run("select count(*) from task_instance where dag_id = 'matrix_real' and state is not null").fetchall()
    if tasks[0] < 5:
        raise SystemExit("matrix_real did not run: {} task instances".format(tasks[0]))
    w.run("update dag_run set state = 'failed' where dag_id = 'matrix_real' and state not in ('success', 'failed')")


def main() -> None:
    import_models()
    run_dag()
    write_everything()


if __name__ == "__main__":
    main()
