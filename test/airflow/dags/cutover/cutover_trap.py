"""The DAGs of the naive sequences: a cron with catchup, and one of two tasks that is never due."""

from datetime import timedelta

from cutover_kit import EmptyOperator, PythonOperator, dag, work

with dag("cut_trap", "*/2 * * * *"):
    EmptyOperator(task_id="work")

# A busy server may not answer the first time.
with dag("cut_half", None, default_args={"retries": 3, "retry_delay": timedelta(seconds=1)}):
    PythonOperator(task_id="work", python_callable=work) >> PythonOperator(task_id="after", python_callable=work)
