import { always, defineEntity } from "../define-entity.ts";

/** A person's favourite DAGs. `user_id` is the text by which the auth manager knows the person: in Flask-AppBuilder the user's number. Source: airflow.models.dag_favorite. */
export const dagFavorite = defineEntity({
  id: "dag_favorite",
  title: "Favourite DAGs",
  tables: [{ in: ">=3.1", table: "dag_favorite" }],
  key: ["user_id", "dag_id"],
  after: ["user", "dag"],
  scope: { of: "dag", dag: "dag_id" },
  load: "merge",
  fields: { user_id: { rows: always(), references: "user", idAsText: true }, dag_id: always() },
  lost: "favourites exist from 3.1 on",
});
