import { always, defineEntity } from "../define-entity.ts";
import { teamName } from "./team.ts";

/**
 * The names of bundles that belong to a team, so that the team's row has something to point to. The target's own configuration says what
 * its bundles are; one that it does not know stays inactive. Source: airflow.models.dagbundle.
 */
export const dagBundle = defineEntity({
  id: "dag_bundle",
  title: "DAG bundles of teams (names)",
  tables: [
    { in: ">=3.1", table: "dag_bundle", from: "dag_bundle s join dag_bundle_team b on b.dag_bundle_name = s.name" },
  ],
  key: ["name"],
  // The skeleton of DAGs takes the bundle `dags-folder`, which is made only where there is no bundle yet.
  after: ["dag"],
  scope: { of: "environment" },
  load: "merge",
  fields: { name: always() },
  unset: [
    { column: "active", reason: "the target's DAG processor says which bundles are in use" },
    { column: "version", reason: "the target's DAG processor writes it" },
    { column: "last_refreshed", reason: "the target's DAG processor writes it" },
    { column: "signed_url_template", reason: "it is signed with the source's secret and made from the configuration" },
    { column: "template_params", reason: "it is made from the configuration" },
  ],
  lost: "teams exist from 3.1 on",
});

/** Which team a bundle belongs to. Source: airflow.models.dagbundle, `dag_bundle_team_association_table`. */
export const dagBundleTeam = defineEntity({
  id: "dag_bundle_team",
  title: "Teams of DAG bundles",
  tables: [{ in: ">=3.1", table: "dag_bundle_team" }],
  key: ["dag_bundle_name"],
  after: ["team", "dag_bundle"],
  scope: { of: "environment" },
  load: "merge",
  fields: { dag_bundle_name: always(), team_name: teamName },
  lost: "teams exist from 3.1 on",
});
