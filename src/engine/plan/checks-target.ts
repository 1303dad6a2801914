import { whyNotCopied } from "../../airflow/not-copied.ts";
import type { Sql } from "../../domain/entity.ts";
import type { Finding } from "../../domain/finding.ts";
import { compareReleases } from "../../domain/release.ts";
import { columnType } from "../../domain/schema.ts";
import { mayTakeOff, reasonToKeepIndexes } from "../copy/indexes.ts";
import { hasLedger, readIdRules } from "../copy/ledger.ts";
import { copiedRows, exclusionsFor } from "../select/filters.ts";
import { identifier } from "../translate/translate.ts";
import { enumerate, type PlanCheck, type PlanContext, shellQuoted, subjectsOf } from "./plan-job.ts";

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

/** Rows of the target's dag_run that are not ours: outside the range of ids that the ledger keeps for this source. */
async function foreignRuns(
  context: PlanContext,
): Promise<readonly { dag_id: string; run_id: string; at: string | null }[]> {
  const { targetSession, target, source } = context;
  const date =
    columnType(target.side.schema, "dag_run", "logical_date") === undefined ? "execution_date" : "logical_date";
  const rules = (await hasLedger(targetSession)) ? await readIdRules(targetSession, source.facts.identity) : [];
  const own = rules.find((rule) => rule.entity === "dag_run");
  return await targetSession.query(
    `select dag_id, run_id, ${date}::text as at from dag_run where not (id between $1 and $2) limit 200000`,
    [own?.low ?? 0, own?.high ?? -1],
  );
}

/** Runs that both sides have: by run id, or by logical date, which are both unique within a DAG. */
export const checkRuns: PlanCheck = async (context) => {
  const translation = context.translations.get("dag_run");
  const foreign = translation === undefined ? [] : await foreignRuns(context);
  if (translation === undefined || foreign.length === 0) return [];
  const { dagRun, resolved, target } = context;
  const where =
    copiedRows(exclusionsFor(translation, resolved, { dagRun, targetRelease: target.side.release })) ?? "true";
  const rows = await context.sourceSession.query<{ dag_id: string; run_id: string }>(
    `select c.dag_id, c.run_id from (${translation.canonical()}) c where ${where} and exists (
       select 1 from unnest($1::text[], $2::text[], $3::timestamptz[]) t(dag_id, run_id, at)
       where t.dag_id = c.dag_id and (t.run_id = c.run_id or t.at = c.logical_date)) order by 1, 2`,
    [foreign.map((row) => row.dag_id), foreign.map((row) => row.run_id), foreign.map((row) => row.at)],
  );
  if (rows.length === 0) return [];
  const names = rows.map((row) => `${row.dag_id} · ${row.run_id}`);
  return [
    {
      code: "TARGET_HAS_RUNS",
      severity: "blocker",
      entity: "dag_run",
      what: `the target has ${rows.length} DAG runs of its own with the id or the logical date of a run to copy (${enumerate(names)})`,
      next: ["delete these runs on the target", "or leave their DAGs out: select.dags in crosswind.yaml"],
      ...subjectsOf(names),
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
