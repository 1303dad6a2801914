import { always, columns, defineEntity, since } from "../define-entity.ts";

const PARSED_THERE = "a target that has parsed the DAG has made the asset itself, at another time";

/**
 * A dataset up to 2.11, an asset from 3.0 on, which has a name besides its URI (migration 0036 takes the URI for it). Ids mean nothing
 * elsewhere: rows are matched by what they are called. Source: airflow.models.asset, up to 2.11 airflow.models.dataset.
 */
export const asset = defineEntity({
  id: "asset",
  title: "Assets",
  tables: [
    { in: ">=2.4 <3.0", table: "dataset", key: ["uri"] },
    { in: ">=3.0", table: "asset" },
  ],
  key: ["name", "uri"],
  after: [],
  scope: { of: "environment" },
  load: "merge",
  serial: { field: "id", rule: "mapped" },
  leave: [
    {
      where: "c.repeats_uri",
      to: "<3.0",
      reason: "2.x knows an asset by its URI alone, and an older asset has the same one: it takes this one's events",
    },
  ],
  fields: {
    id: always(),
    name: {
      rows: [
        { in: "<3.0", read: "s.uri" },
        { in: ">=3.0", column: true },
      ],
      lost: "2.x knows an asset by its URI alone",
    },
    ...columns("uri", "extra"),
    created_at: { rows: always(), compare: { ignore: PARSED_THERE } },
    updated_at: { rows: always(), compare: { ignore: PARSED_THERE } },
    group: { rows: since("3.0", "'asset'"), lost: "2.x has no groups of assets" },
    repeats_uri: [
      { in: "<3.0", read: "false" },
      { in: ">=3.0", read: "exists (select 1 from asset o where o.uri = s.uri and o.id < s.id)" },
    ],
  },
  unset: [{ column: "is_orphaned", reason: "the target's scheduler works it out from the DAGs that it parsed" }],
  lost: "datasets exist from 2.4 on",
});
