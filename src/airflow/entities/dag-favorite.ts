import { columns, defineEntity } from "../define-entity.ts";

/** A person's favourite DAGs. `user_id` is the text by which the auth manager knows the person. Source: airflow.models.dag_favorite. */
export const dagFavorite = defineEntity({
  id: "dag_favorite",
  title: "Favourite DAGs",
  tables: [{ in: ">=3.1", table: "dag_favorite" }],
  key: ["user_id", "dag_id"],
  after: ["dag"],
  scope: { of: "dag", dag: "dag_id" },
  load: "merge",
  fields: columns("user_id", "dag_id"),
  lost: "favourites exist from 3.1 on",
});
