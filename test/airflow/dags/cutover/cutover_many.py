"""Many DAGs that are seldom due: as many as CUTOVER_MANY says, or, in a copy of this file named after a DAG, that one."""

import os

from cutover_kit import EmptyOperator, dag

own = os.path.splitext(os.path.basename(__file__))[0]
many = ["cut_many_%03d" % number for number in range(int(os.environ.get("CUTOVER_MANY", "0")))]

for dag_id in many if own == "cutover_many" else [own]:
    # Five of them every minute apart, so that not all are due at once.
    with dag(dag_id, "%d */3 * * *" % (sum(map(ord, dag_id)) % 60)):
        EmptyOperator(task_id="work") >> EmptyOperator(task_id="after")
