"""One DAG of every plain kind of schedule, for the proof of the cutover: the same file on both sides, Airflow 1.10 to 3.x.

`.airflowignore` keeps it from the other tests, which copy the whole folder.
"""

from datetime import timedelta

from cutover_kit import RELEASE, START, Dataset, EmptyOperator, PythonOperator, dag, work


def number(n):
    return n * n


with dag("cut_minutely", "* * * * *"):
    PythonOperator(task_id="work", python_callable=work) >> EmptyOperator(task_id="after")

with dag("cut_two_minutely", "*/2 * * * *"):
    EmptyOperator(task_id="work")

# Not on the minute, so that not everything is due at once.
with dag("cut_delta", timedelta(minutes=1), start_date=START + timedelta(seconds=25)):
    EmptyOperator(task_id="work")

with dag("cut_daily", "0 6 * * *", start_date=START - timedelta(days=21)):
    EmptyOperator(task_id="work")

with dag("cut_latest", "* * * * *", catchup=False):
    EmptyOperator(task_id="work")

with dag("cut_chain", "* * * * *", default_args={"depends_on_past": True}):
    EmptyOperator(task_id="work")

with dag("cut_single", "* * * * *", max_active_runs=1):
    PythonOperator(task_id="work", python_callable=work, op_args=[2])

with dag("cut_manual", None):
    PythonOperator(task_id="work", python_callable=work)

if Dataset is not None:
    THINGS = Dataset("s3://cutover/things")

    with dag("cut_producer", "*/2 * * * *"):
        PythonOperator(task_id="work", python_callable=work, outlets=[THINGS])

    with dag("cut_consumer", [THINGS]):
        EmptyOperator(task_id="work")

if RELEASE >= (2, 3):
    with dag("cut_mapped", "*/2 * * * *"):
        PythonOperator.partial(task_id="work", python_callable=number).expand(op_args=[[1], [2], [3]])
