import type { Field } from "../../domain/entity.ts";
import { always, defineEntity } from "../define-entity.ts";

/** The id that a team gets in 3.1, the only release that has ids for teams: made from its name, so that both ends of a reference agree. */
const ID_FROM_NAME = (name: string) => `md5(${name})::uuid`;

/** The team that a connection, a variable, a pool or a bundle belongs to: by id in 3.1, by name from 3.2 on (migration 0096). */
export const teamName: Field = {
  rows: [
    { in: "<3.1", read: "null::text" },
    {
      in: ">=3.1 <3.2",
      column: "team_id",
      read: "(select t.name from team t where t.id = s.team_id)",
      write: ID_FROM_NAME("c.team_name"),
    },
    { in: ">=3.2", column: true },
  ],
  lost: "teams exist from 3.1 on",
};

/** Source: airflow.models.team. */
export const team = defineEntity({
  id: "team",
  title: "Teams",
  tables: [{ in: ">=3.1", table: "team" }],
  key: ["name"],
  after: [],
  scope: { of: "environment" },
  load: "merge",
  fields: {
    name: always(),
    id: {
      rows: [
        { in: "<3.1" },
        { in: ">=3.1 <3.2", column: true, read: "s.id::text", write: ID_FROM_NAME("c.name") },
        { in: ">=3.2" },
      ],
      compare: { ignore: "a team that the target already has keeps its own id" },
      lost: "from 3.2 on the name identifies a team",
    },
  },
  lost: "teams exist from 3.1 on",
});
