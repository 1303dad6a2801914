import type { Sql } from "../../domain/entity.ts";
import type { Finding } from "../../domain/finding.ts";
import type { TargetColumn, TargetTable } from "../../ports/raw-target.ts";
import { lanesOf } from "../copy/copy-context.ts";
import { copiedRows, exclusionsFor } from "../select/filters.ts";
import { identifier, NO_ID_RULES, type OutputColumn, type Translation } from "../translate/translate.ts";
import { enumerate, type PlanCheck, type PlanContext, subjectsOf } from "./plan-job.ts";

/** Bytes of the longest value that Postgres itself keeps. */
const MOST_OF_POSTGRES = 2 ** 30;

/** Rows that are named, at most. */
const MOST_ROWS = 1000;

/** A predicate over the translated value, and what it says of those for which it is true. */
interface Misfit {
  readonly where: (value: Sql) => Sql;
  readonly what: string;
}

/** Source: MySQL manual, "The DATE, DATETIME, and TIMESTAMP Types". */
function outOfTime(endsAt: string): Misfit {
  return {
    where: (value) =>
      `not (${value} >= '1970-01-01 00:00:01Z' and ${value} < timestamptz '${endsAt}Z' - interval '0.5 s')`,
    what: `are times before 1970 or after ${endsAt.slice(0, 10)}, which its TIMESTAMP can not keep`,
  };
}
const OUT_OF_DATE: Misfit = {
  where: (value) => `not (${value} >= '1000-01-01' and ${value} < '9999-12-31 23:59:59.5')`,
  what: "are times that a DATETIME of MySQL can not keep",
};
const NO_NUMBER: Misfit = {
  where: (value) => `${value}::text in ('NaN', 'Infinity', '-Infinity')`,
  what: "are NaN or infinite, which MySQL has no number for",
};

/** Characters that a set has no place for. utf8mb3 keeps three bytes of a character, latin1 is Windows' code page 1252. */
const BEYOND: Readonly<Record<string, { readonly pattern: string; readonly what: string }>> = {
  utf8mb3: {
    pattern: String.raw`[\U00010000-\U0010FFFF]`,
    what: "have characters (such as emoji) that utf8mb3 has no place for",
  },
  utf8: {
    pattern: String.raw`[\U00010000-\U0010FFFF]`,
    what: "have characters (such as emoji) that utf8mb3 has no place for",
  },
  latin1: { pattern: String.raw`[^\u0001-\u007F\u00A0-\u00FF]`, what: "have characters that latin1 has no place for" },
};

function misfitsOf(column: TargetColumn, type: string): readonly Misfit[] {
  const found: Misfit[] = [];
  if (column.endsAt !== undefined) found.push(outOfTime(column.endsAt));
  if (column.type === "datetime") found.push(OUT_OF_DATE);
  if (column.type === "float" || column.type === "double") found.push(NO_NUMBER);
  const beyond = column.charset === undefined ? undefined : BEYOND[column.charset];
  if (beyond !== undefined) found.push({ where: (value) => `${value}::text ~ '${beyond.pattern}'`, what: beyond.what });
  const { mostBytes } = column;
  // Lengths in characters are looked at for every target.
  if (mostBytes !== undefined && mostBytes < MOST_OF_POSTGRES && /text|blob/.test(column.type)) {
    const size =
      type === "bytea" ? (value: Sql) => `octet_length(${value})` : (value: Sql) => `octet_length(${value}::text)`;
    found.push({
      where: (value) => `${size(value)} > ${mostBytes}`,
      what: `are longer than the ${mostBytes} bytes that the target takes`,
    });
  }
  return found;
}

function labelOf({ entity }: Translation): Sql {
  return `concat_ws(' · ', ${entity.key.map((name) => `c.${identifier(name)}::text`).join(", ")})`;
}

function copiedOf(context: PlanContext, translation: Translation): Sql {
  const { resolved, dagRun, target } = context;
  return copiedRows(exclusionsFor(translation, resolved, { dagRun, targetRelease: target.side.release })) ?? "true";
}

/** Columns whose values SQL always gives: those that may need a codec are decided by it. */
function plainColumns({ source, target }: PlanContext, translation: Translation): readonly OutputColumn[] {
  const lanes = lanesOf({ sourceSide: source.side, targetSide: target.side }, translation.entity, NO_ID_RULES);
  const careful = new Set(lanes?.careful.columns.flatMap(({ column, codec }) => (codec === undefined ? [] : [column])));
  return translation.columns.filter(({ column, codec }) => codec === undefined && !careful.has(column));
}

function valueOf({ expression, type }: OutputColumn): Sql {
  return `(${expression})::${type}`;
}

interface Doubt {
  readonly column: OutputColumn;
  readonly misfit: Misfit;
}

/** One pass over the entity's rows for all of its columns. */
async function checkValues(
  context: PlanContext,
  translation: Translation,
  table: TargetTable,
): Promise<readonly Finding[]> {
  const doubts = plainColumns(context, translation).flatMap((column): readonly Doubt[] => {
    const held = table.columns.find(({ name }) => name === column.column);
    return held === undefined ? [] : misfitsOf(held, column.type).map((misfit) => ({ column, misfit }));
  });
  if (doubts.length === 0) return [];
  const kinds = doubts.map(({ column, misfit }, at) => `case when ${misfit.where(valueOf(column))} then ${at} end`);
  const rows = await context.sourceSession.query<{ label: string; kinds: readonly number[] }>(
    `select label, kinds from (select ${labelOf(translation)} as label, array_remove(array[${kinds.join(", ")}], null) as kinds
       from (${translation.canonical()}) c where ${copiedOf(context, translation)}) looked
     where cardinality(kinds) > 0 limit ${MOST_ROWS}`,
  );
  return doubts.flatMap(({ column, misfit }, at): readonly Finding[] => {
    const labels = rows.filter((row) => row.kinds.includes(at)).map((row) => row.label);
    if (labels.length === 0) return [];
    const { entity, targetTable } = translation;
    return [
      {
        code: "VALUE_UNFIT_FOR_TARGET",
        severity: "blocker",
        entity: entity.id,
        what: `${labels.length} values of ${targetTable}.${column.column} ${misfit.what} (${enumerate(labels)})`,
        next: ["change them on the source, or leave their rows out"],
        ...subjectsOf(labels),
      },
    ];
  });
}

/** Columns of a unique key as the source has them, where all of them come from the source and one of them is compared without case. */
function foldedKeys(translation: Translation, table: TargetTable): readonly (readonly OutputColumn[])[] {
  const keys = [table.key, ...table.uniques.map((unique) => unique.columns)];
  return keys.flatMap((key) => {
    const columns = key.map((name) => translation.columns.find(({ column }) => column === name));
    const isFolded = key.some((name) => table.columns.find((each) => each.name === name)?.ignoresCase === true);
    const isPlain = columns.every((column) => column !== undefined && column.codec === undefined);
    return isFolded && isPlain ? [columns as readonly OutputColumn[]] : [];
  });
}

async function checkKeys(
  context: PlanContext,
  translation: Translation,
  table: TargetTable,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const columns of foldedKeys(translation, table)) {
    const folded = columns.map((column) => `lower(rtrim(${valueOf(column)}::text))`).join(", ");
    const rows = await context.sourceSession.query<{ label: string }>(
      `select string_agg(${labelOf(translation)}, ' and ') as label from (${translation.canonical()}) c
       where ${copiedOf(context, translation)} and row(${folded}) is not null group by ${folded} having count(*) > 1 limit ${MOST_ROWS}`,
    );
    if (rows.length === 0) continue;
    const labels = rows.map((row) => row.label);
    findings.push({
      code: "IDS_DIFFER_IN_CASE",
      severity: "blocker",
      entity: translation.entity.id,
      what: `${labels.length} values of ${translation.targetTable}.${columns.map(({ column }) => column).join(", ")} differ only in case or in spaces at the end (${enumerate(labels)}): the target takes them for the same`,
      next: ["rename one of each on the source, or leave it out"],
      ...subjectsOf(labels),
    });
  }
  return findings;
}

/** What a target that is no Postgres has no place for: told before anything is written, row by row. */
export const checkFits: PlanCheck = async (context) => {
  const { targetTables } = context.job;
  if (targetTables === undefined) return [];
  const findings: Finding[] = [];
  for (const translation of context.translations.values()) {
    const table = targetTables.find(({ name }) => name === translation.targetTable);
    if (table === undefined) continue;
    findings.push(...(await checkValues(context, translation, table)));
    findings.push(...(await checkKeys(context, translation, table)));
  }
  return findings;
};
