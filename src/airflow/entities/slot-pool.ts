import { always, columns, defineEntity, since } from "../define-entity.ts";
import { teamName } from "./team.ts";

/** Source: airflow.models.pool. A task instance names its pool; no foreign key leads here. */
export const slotPool = defineEntity({
  id: "slot_pool",
  title: "Pools",
  tables: "slot_pool",
  key: ["pool"],
  after: ["team"],
  scope: { of: "environment" },
  load: "merge",
  leave: [
    { where: "c.pool is null", reason: "a pool without a name can not be used" },
    { where: "length(c.pool) > 50", to: "<2.0", reason: "1.10 has room for 50 characters in a pool's name" },
  ],
  // Every initialised database has this pool with a size of its own; the source's size is the user's.
  seeded: "t.pool = 'default_pool'",
  fields: {
    pool: always(),
    // NULL counts as no slots (3.2's migration 0108 writes 0), and is an HTTP 500 on the list of all pools.
    slots: [
      { in: "<2.2", column: true },
      { in: ">=2.2", column: true, write: "coalesce(c.slots, 0)" },
    ],
    ...columns("description"),
    include_deferred: { rows: since("2.7", "false"), lost: "releases before 2.7 never count deferred tasks" },
    team_name: teamName,
  },
  unset: [{ column: "id", reason: "nothing refers to it: the target numbers its pools itself" }],
});
