/** The Airflow variable that holds end dates of DAGs in a drain, as JSON by DAG id. It is each environment's own: never copied. */
export const END_DATES_VARIABLE = "crosswind_end_dates";
