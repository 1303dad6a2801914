import { whyNotCopied } from "../../airflow/not-copied.ts";
import type { Sql } from "../../domain/entity.ts";
import type { Finding } from "../../domain/finding.ts";
import { compareReleases } from "../../domain/release.ts";
import { columnType } from "../../domain/schema.ts";
import { mayTakeOff, reasonToKeepIndexes } from "../copy/indexes.ts";
import { SUPPORTED_SERVERS } from "../probe/server-abilities.ts";
import { copiedRows, exclusionsFor } from "../select/filters.ts";
import { identifier } from "../translate/translate.ts";
import { enumerate, type PlanCheck, shellQuoted, subjectsOf } from "./plan-job.ts";

/** Older releases have no place for much of what newer ones keep: only on request. */
export const checkDirection: PlanCheck = async ({ job, source, target }) => {
  if (compareReleases(target.side.release, source.side.release) >= 0) return [];
  return [
    {
      code: "TARGET_OLDER",
      severity: job.acceptLoss ? "warning" : "blocker",
      what: `the target (Airflow ${target.facts.airflow}) is older than the source (${source.facts.airflow}); what it has no place for is lost on the way, see the notes of this plan`,
      next: ["upgrade the target first", "or accept the losses that the notes name: crosswind plan --accept-loss"],
    },
  ];
};

/** Servers that are too old for what a copy asks of them. */
export const checkServers: PlanCheck = async ({ source, target }) => {
  const sides = [
    { side: "source", server: source.facts.server },
    { side: "target", server: target.facts.server },
  ] as const;
  return sides.flatMap(({ side, server }): readonly Finding[] => {
    const [oldest, newest] = SUPPORTED_SERVERS[side];
    // Not a number: a landed source, which is read by what its own database can do.
    if (!(Number.parseInt(server, 10) < oldest)) return [];
    return [
      {
        code: "SERVER_TOO_OLD",
        severity: "blocker",
        what: `the ${side}'s server is PostgreSQL ${server}; ${oldest} to ${newest} are supported as a ${side}`,
        next: ["upgrade the server, or restore a dump of the database on a newer one"],
      },
    ];
  });
};

/** What is read through a pooler needs connections that the pooler keeps for it. */
export const checkPooler: PlanCheck = async ({ job }) => {
  if (!job.source.isPooled) return [];
  return [
    {
      code: "SOURCE_BEHIND_POOLER",
      severity: "warning",
      what: "the source is reached through a connection pooler: it is read in read-only transactions, each of which holds one of the pooler's server connections for as long as it lasts, the read snapshot's for as long as the copy does",
      next: [
        "better name the server itself in crosswind.yaml, with its own host and port",
        "or see that the pooler lets one database have at least `lanes` + 3 server connections (PgBouncer: default_pool_size), and ends no transaction for being idle (idle_transaction_timeout)",
      ],
    },
  ];
};

/** A DAG that is unpaused on the target would run beside its source as soon as it is parsed. */
export const checkPaused: PlanCheck = async ({ targetSession, resolved, sourceSession }) => {
  const unpaused = await targetSession.query<{ dag_id: string }>(
    "select dag_id from dag where not is_paused order by 1",
  );
  if (unpaused.length === 0) return [];
  const ids = unpaused.map((row) => row.dag_id);
  const known = await sourceSession.query<{ dag_id: string }>(
    "select dag_id from dag where dag_id = any($1) union select dag_id from dag_run where dag_id = any($1) order by 1",
    [ids],
  );
  const selected = known
    .map((row) => row.dag_id)
    .filter((id) => resolved.dags === undefined || resolved.dags.includes(id));
  if (selected.length === 0) return [];
  return [
    {
      code: "TARGET_DAG_UNPAUSED",
      severity: "blocker",
      entity: "dag",
      what: `${selected.length} selected DAGs are unpaused on the target (${enumerate(selected)}): they could run on both sides`,
      next: [
        `pause them on the target: ${selected
          .slice(0, 3)
          .map((dag) => `airflow dags pause ${shellQuoted(dag)}`)
          .join("; ")}`,
        "or leave them out: select.dags in crosswind.yaml",
      ],
      ...subjectsOf(selected),
    },
  ];
};

/** Text columns that are narrower on the target: a longer value would be refused in the middle of the copy. */
export const checkLengths: PlanCheck = async (context) => {
  const findings: Finding[] = [];
  const { source, target, resolved, dagRun } = context;
  for (const translation of context.translations.values()) {
    const where =
      copiedRows(exclusionsFor(translation, resolved, { dagRun, targetRelease: target.side.release })) ?? "true";
    for (const column of translation.columns) {
      const limit = lengthOf(columnType(target.side.schema, translation.targetTable, column.column));
      const now = lengthOf(columnType(source.side.schema, translation.sourceTable, column.column));
      const isSecret = column.codec === "secret";
      if (limit === undefined || (column.codec !== undefined && !isSecret)) continue;
      if (!isSecret && now !== undefined && now <= limit) continue;
      const length = isSecret ? tokenLength(`(${column.expression})`) : `length((${column.expression})::text)`;
      const label = translation.entity.key.map((name) => `c.${identifier(name)}::text`).join(", ");
      const rows = await context.sourceSession.query<{ label: string }>(
        `select concat_ws(' · ', ${label}) as label from (${translation.canonical()}) c
         where ${where} and ${length} > ${limit} limit 1000`,
      );
      if (rows.length > 0) {
        findings.push({
          code: "VALUE_TOO_LONG",
          severity: "blocker",
          entity: translation.entity.id,
          what: `${rows.length} values of ${translation.targetTable}.${column.column} are longer than the ${limit} characters that the target takes (${enumerate(rows.map((row) => row.label))})`,
          next: ["shorten them on the source, or leave their rows out"],
          ...subjectsOf(rows.map((row) => row.label)),
        });
      }
    }
  }
  return findings;
};

/**
 * Characters of a secret's token on the target, from the tagged value of the source: a token stays as long as it is, plain text becomes base64
 * of 57 bytes and the text padded to blocks of 16 (https://github.com/fernet/spec).
 */
function tokenLength(tagged: Sql): Sql {
  const padded = `16 * (floor((octet_length(${tagged}) - 1) / 16.0) + 1)`;
  return `case when left(${tagged}, 1) = 'e' then length(${tagged}) - 1 else 4 * ceil((57 + ${padded}) / 3.0) end`;
}

function lengthOf(type: string | undefined): number | undefined {
  const match = /^character varying\((\d+)\)$/.exec(type ?? "");
  return match === null ? undefined : Number(match[1]);
}

/** Tables that nobody has decided about: an extension's, or a newer Airflow's. */
export const checkTables: PlanCheck = async ({ source, selected }) => {
  const covered = new Set(selected.flatMap((entity) => entity.tables.map((row) => row.table)));
  const tables = Object.keys(source.side.schema.tables);
  const unknown = tables.filter(
    (table) => !covered.has(table) && whyNotCopied(table, source.side.release) === undefined,
  );
  if (unknown.length === 0) return [];
  return [
    {
      code: "TABLE_UNKNOWN",
      severity: "note",
      what: `the source has ${unknown.length} tables that are not Airflow's as known here (${enumerate(unknown)}); they are not copied`,
      next: [],
      ...subjectsOf(unknown),
    },
  ];
};

/** Other sessions on the target's database, and tables of others, keep its indexes on: the copy is right either way, and slower with them. */
export const checkIndexes: PlanCheck = async ({ targetSession, translations }) => {
  const findings: Finding[] = [];
  const reason = await reasonToKeepIndexes(targetSession);
  const price = "indexes and keys stay on while loading, which takes two to three times as long";
  if (reason !== undefined) {
    findings.push({
      code: "TARGET_IN_USE",
      severity: "note",
      what: `${reason}: ${price}`,
      next: [
        "stop the target's scheduler, DAG processor, triggerer and API server for the time of the copy, if that matters",
      ],
    });
  }
  const tables = [...translations.values()].map((translation) => translation.targetTable);
  if (!(await mayTakeOff(targetSession, tables))) {
    findings.push({
      code: "ROLE_NOT_OWNER",
      severity: "note",
      what: `the target's role does not own its tables: ${price}`,
      next: ["use the role of the target's own Airflow for the time of the copy, if that matters"],
    });
  }
  return findings;
};
