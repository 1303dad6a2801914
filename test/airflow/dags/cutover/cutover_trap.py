"""The DAGs of the naive sequences: a cron with catchup, and one of two tasks that is never due."""

from cutover_kit import EmptyOperator, PythonOperator, dag, work

with dag("cut_trap", "*/2 * * * *"):
    EmptyOperator(task_id="work")

with dag("cut_half", None):
    PythonOperator(task_id="work", python_callable=work) >> PythonOperator(task_id="after", python_callable=work)
