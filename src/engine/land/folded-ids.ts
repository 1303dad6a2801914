import type { Finding } from "../../domain/finding.ts";
import type { Session } from "../../ports/database.ts";
import type { RawTable } from "../../ports/raw-source.ts";
import { identifier } from "../translate/translate.ts";

const MOST_NAMED = 20;

/** Columns by which rows of several tables refer to each other: the last one names something within the others. */
const REFERENCES: readonly (readonly string[])[] = [["dag_id"], ["dag_id", "run_id"], ["dag_id", "task_id"], ["pool"]];

/** Tables that have all columns of a reference; none where the source tells case apart in every one of them. */
function tablesHaving(reference: readonly string[], tables: readonly RawTable[]): readonly string[] {
  const last = reference.at(-1);
  const having = tables.filter(({ columns }) => reference.every((name) => columns.some((each) => each.name === name)));
  const isFolded = having.some(({ columns }) => columns.some((each) => each.name === last && each.ignoresCase));
  return isFolded ? having.map(({ name }) => name) : [];
}

/**
 * Ids that the source takes for one and the same and Postgres does not: they differ only in case, or in spaces at the end. A row that names
 * its pool or its DAG by the other spelling would lose it.
 */
export async function findFoldedIds(session: Session, tables: readonly RawTable[]): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const reference of REFERENCES) {
    const having = tablesHaving(reference, tables);
    if (having.length === 0) continue;
    const columns = reference.map((name) => `${identifier(name)}::text`).join(", ");
    const [last = "", ...within] = reference.map(identifier).toReversed();
    const parts = having.map((table) => `select distinct ${columns} from public.${identifier(table)}`);
    const rows = await session.query<{ values: readonly string[] }>(
      `select array_agg(${last} order by ${last}) as values from (${parts.join(" union ")}) d
       where ${last} is not null group by ${[...within, `lower(rtrim(${last}))`].join(", ")} having count(*) > 1 order by 1`,
    );
    if (rows.length > 0) findings.push(foldedFinding(reference.at(-1) ?? "", having, rows));
  }
  return findings;
}

function foldedFinding(
  column: string,
  having: readonly string[],
  rows: readonly { readonly values: readonly string[] }[],
): Finding {
  const names = rows.map((row) => row.values.map((value) => JSON.stringify(value)).join(" and "));
  const more = names.length > 3 ? ` and ${names.length - 3} more` : "";
  return {
    code: "IDS_DIFFER_IN_CASE",
    severity: "blocker",
    what: `values of ${column} differ only in case or in spaces at the end (${names.slice(0, 3).join("; ")}${more}): the source takes them for the same, Postgres does not`,
    next: [`give them one spelling on the source, in ${having.join(", ")}, then plan again`],
    subjects: names.slice(0, MOST_NAMED),
    count: names.length,
  };
}
