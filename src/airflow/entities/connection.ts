import { always, columns, defineEntity, since } from "../define-entity.ts";
import { teamName } from "./team.ts";

/** Source: airflow.models.connection. A password and the extra are Fernet tokens where their flags say so. */
export const connection = defineEntity({
  id: "connection",
  title: "Connections",
  tables: "connection",
  key: ["conn_id"],
  after: ["team"],
  scope: { of: "environment" },
  load: "merge",
  leave: [
    {
      where: "c.conn_id is null",
      to: ">=2.0",
      reason: "a connection without an id, which 1.10 allowed, can not be asked for",
    },
    {
      where: "c.is_repeated",
      to: ">=2.0",
      reason: "1.10 allowed several connections of one id and took any of them; the first one is copied",
    },
  ],
  fields: {
    conn_id: always(),
    // 1.10 allowed NULL; newer releases refuse it. The genuine upgrade repairs imap_default only and refuses the rest.
    conn_type: [
      {
        in: "<2.0",
        column: true,
        read: "coalesce(s.conn_type, case when s.conn_id = 'imap_default' then 'imap' else 'generic' end)",
      },
      { in: ">=2.0", column: true },
    ],
    ...columns("host", "schema", "login", "port"),
    password: {
      rows: [
        { column: true, read: "case when s.is_encrypted and s.password <> '' then 'e' else 'p' end || s.password" },
      ],
      codec: "secret",
    },
    extra: {
      rows: [
        { column: true, read: "case when s.is_extra_encrypted and s.extra <> '' then 'e' else 'p' end || s.extra" },
      ],
      codec: "secret",
      // `Connection._validate_extra`: a warning in 2.x, an error in 3.x. Tried on 3.3.2: /api/v2/connections is a 500 with one of them.
      wants: {
        to: ">=3.0",
        codec: "secret-json-object",
        what: "have an extra that is no JSON object: they go over as they are, and Airflow 3 can use none of them, nor list any connections",
        next: ["write their extra as a JSON object on the source before the copy, or on the target after it"],
      },
    },
    // The codec encrypts the empty value, too.
    is_encrypted: [{ column: true, read: "s.password is not null" }],
    is_extra_encrypted: [{ column: true, read: "s.extra is not null" }],
    description: { rows: since("2.0"), lost: "1.10 has no place for a connection's description" },
    team_name: teamName,
    is_repeated: [
      { in: "<2.0", read: "exists (select 1 from connection o where o.conn_id = s.conn_id and o.id < s.id)" },
      { in: ">=2.0", read: "false" },
    ],
  },
  unset: [{ column: "id", reason: "nothing refers to it: the target numbers its connections itself" }],
});
