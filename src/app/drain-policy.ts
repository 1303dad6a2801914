import { DRAIN_POLICY } from "../airflow/drain-policy.ts";

/** The Python module that ends DAGs which are drained: for `airflow_local_settings` of any release. */
export function drainPolicy(): string {
  return DRAIN_POLICY;
}
