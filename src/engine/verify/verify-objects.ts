import type { CodecContext } from "../../airflow/codecs/index.ts";
import type { Lanes } from "../copy/copy-context.ts";
import { type ComparableRow, readObjects } from "../plan/read-objects.ts";
import type { OutputColumn } from "../translate/translate.ts";
import { comparedColumns, ignoredColumns } from "./compared-columns.ts";
import type { ColumnDifference, RowDifference } from "./report.ts";
import { targetObjects } from "./row-queries.ts";
import { DETAILED_DIFFERENCES, type VerifyContext } from "./verify-context.ts";
import type { Verified } from "./verify-history.ts";

/** Of a keyed digest: enough to tell values apart. */
const SHOWN_DIGITS = 16;
const UNREADABLE = "can not be decrypted";

function shown(column: OutputColumn, row: ComparableRow): string | null {
  if (row.unreadable.includes(column.column)) return UNREADABLE;
  const value = row.values[column.column] ?? null;
  const isDigest = column.codec !== undefined || column.isHidden === true;
  return value === null || !isDigest ? value : `digest ${value.slice(0, SHOWN_DIGITS)}`;
}

/** A secret that no key opens is a difference whatever it holds: nobody can say that it is the same. */
function differences(
  columns: readonly OutputColumn[],
  source: ComparableRow,
  target: ComparableRow,
): readonly ColumnDifference[] {
  return columns.flatMap((column) => {
    const name = column.column;
    const isReadable = !source.unreadable.includes(name) && !target.unreadable.includes(name);
    if (isReadable && source.values[name] === target.values[name]) return [];
    return [{ column: name, source: shown(column, source), target: shown(column, target) }];
  });
}

/** The context in which a side's secrets are opened: `secret-digest` knows one side only, the one it reads. */
function codecsOf(codecs: CodecContext, side: "sourceKeys" | "targetKeys"): CodecContext {
  const { sourceKeys: _source, targetKeys: _target, ...rest } = codecs;
  const keys = codecs[side];
  return keys === undefined ? rest : { ...rest, sourceKeys: keys };
}

/**
 * Compares an entity of few rows value by value, secrets by keyed digests of what they decrypt to. Of the target only rows are looked at
 * that the source has, too: the target may have objects of its own.
 */
export async function verifyObjects(context: VerifyContext, { optimistic }: Lanes): Promise<Verified> {
  const { job, codecs } = context;
  const { entity } = optimistic;
  await using source = await context.snapshot.session();
  const ours = await readObjects(source, optimistic, {
    where: context.rowsOf(optimistic),
    codecs: codecsOf(codecs, "sourceKeys"),
  });
  await using session = await context.targetSnapshot.session();
  const theirs = await readObjects(session, targetObjects(optimistic, job.targetSide), {
    where: undefined,
    codecs: codecsOf(codecs, "targetKeys"),
  });
  const byKey = new Map(theirs.toReversed().map((row) => [row.key, row]));
  const columns = comparedColumns(optimistic).filter((column) => column.field !== entity.serial?.field);
  const found = ours.flatMap((row): readonly RowDifference[] => {
    const there = byKey.get(row.key);
    const base = { entity: entity.id, label: row.label };
    if (there === undefined) return [{ ...base, kind: "missing", columns: [] }];
    const differing = differences(columns, row, there);
    return differing.length === 0 ? [] : [{ ...base, kind: "different", columns: differing }];
  });
  const missing = found.filter((each) => each.kind === "missing").length;
  job.onEvent({ kind: "verified", entity: entity.id, rows: ours.length });
  return {
    entity: {
      entity: entity.id,
      title: entity.title,
      sourceRows: ours.length,
      targetRows: ours.length - missing,
      equal: ours.length - found.length,
      different: found.length - missing,
      missing,
      unexpected: 0,
      comparedAs: "values",
      decrypted: columns.some((column) => column.codec === "secret"),
      ignored: ignoredColumns(optimistic, job.targetSide),
    },
    differences: found.slice(0, job.maxDifferences ?? DETAILED_DIFFERENCES),
    buckets: [],
  };
}
