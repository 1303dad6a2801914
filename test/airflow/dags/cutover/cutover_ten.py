"""The wave of ten DAGs that is killed: some have ticks meanwhile."""

from cutover_kit import EmptyOperator, PythonOperator, dag, work

for number in range(10):
    schedule = "*/4 * * * *" if number < 3 else "%d * * * *" % (number * 6)
    with dag("cut_ten_%d" % number, schedule):
        PythonOperator(task_id="work", python_callable=work) >> EmptyOperator(task_id="after")
