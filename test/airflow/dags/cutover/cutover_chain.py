"""A producer that takes a while, and the DAG that each of its events starts."""

from cutover_kit import Dataset, EmptyOperator, PythonOperator, dag, work

PARTS = Dataset("s3://cutover/parts")

with dag("cut_slow_producer", None, catchup=False):
    PythonOperator(task_id="work", python_callable=work, op_args=[15], outlets=[PARTS])

with dag("cut_started", [PARTS], catchup=False):
    EmptyOperator(task_id="work")
