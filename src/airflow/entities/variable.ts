import { END_DATES_VARIABLE } from "../../domain/end-dates.ts";
import { always, defineEntity, since } from "../define-entity.ts";
import { teamName } from "./team.ts";

/** Source: airflow.models.variable. */
export const variable = defineEntity({
  id: "variable",
  title: "Variables",
  tables: "variable",
  key: ["key"],
  after: ["team"],
  scope: { of: "environment" },
  load: "merge",
  leave: [
    { where: "c.key is null", reason: "a variable without a key can not be asked for" },
    { where: `c.key = '${END_DATES_VARIABLE}'`, reason: "it drains the DAGs of its own environment" },
  ],
  fields: {
    key: always(),
    val: {
      rows: [
        { in: "<3.0", column: true, read: "case when s.is_encrypted and s.val <> '' then 'e' else 'p' end || s.val" },
        {
          // NULL is legal until 3.2, and an HTTP 500 on the list of all variables from 3.0 on.
          in: ">=3.0",
          column: true,
          read: "case when s.is_encrypted and s.val <> '' then 'e' else 'p' end || s.val",
          write: "coalesce(c.val, 'p')",
        },
      ],
      codec: "secret",
    },
    // The codec encrypts the empty value, too, as Airflow does.
    is_encrypted: [
      { in: "<3.0", column: true, read: "s.val is not null" },
      { in: ">=3.0", column: true, read: "s.val is not null", write: "true" },
    ],
    description: { rows: since("2.1"), lost: "releases before 2.1 have no place for a variable's description" },
    team_name: teamName,
  },
  unset: [{ column: "id", reason: "nothing refers to it: the target numbers its variables itself" }],
});
