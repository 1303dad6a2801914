import type { Sql } from "../../domain/entity.ts";
import { codecInput } from "../copy/columns.ts";
import type { IdRule } from "../copy/ledger-ids.ts";
import { copiedRows, exclusionsFor, literal, type ResolvedSelection } from "../select/filters.ts";
import {
  identifier,
  NO_ID_RULES,
  type OutputColumn,
  type Side,
  type Translation,
  translate,
} from "../translate/translate.ts";
import { labelFields } from "./compared-columns.ts";

/** Prefix of a query's columns that only name the row to people. No column of Airflow's begins so. */
const LABEL = "label ";

export function labelColumn(field: string): string {
  return `${LABEL}${field}`;
}

/** The label fields as text, over the canonical row `c`. */
function labels(translation: Translation): readonly Sql[] {
  return labelFields(translation).map((field) => `(c.${identifier(field)})::text as ${identifier(labelColumn(field))}`);
}

interface SourceRows {
  readonly columns: readonly OutputColumn[];
  /** Predicate over the source row `s`. */
  readonly source: Sql | undefined;
  /** Predicate over the canonical row `c`. */
  readonly canonical: Sql | undefined;
}

/** The translated rows, where no codec is needed, or the codecs' inputs: the columns under their target names, then the labels. */
export function sourceRows(translation: Translation, { columns, source, canonical }: SourceRows): Sql {
  const list = columns.map(
    (each) => `(${each.expression})::${each.codecInput ?? each.type} as ${identifier(each.column)}`,
  );
  const where = canonical === undefined ? "" : ` where ${canonical}`;
  return `select ${[...list, ...labels(translation)].join(", ")} from (${translation.canonical(source)}) c${where}`;
}

const RAW = "raw ";

/**
 * The target read as a source of its own release, with its columns as they are under `raw `: reading a value and writing it again can mend it,
 * and a mended value would compare as equal.
 */
function readTarget(translation: Translation, target: Side): Translation {
  const { entity, columns } = translation;
  const raw = columns.map(
    ({ column }) => [`${RAW}${column}`, { rows: [{ read: `s.${identifier(column)}` }] }] as const,
  );
  const own = translate(
    { ...entity, fields: { ...entity.fields, ...Object.fromEntries(raw) } },
    { source: target, target, ids: NO_ID_RULES, optimistic: true, codecInput },
  );
  if (own === undefined) throw new Error(`the target has no place for ${entity.id}`);
  return own;
}

/** What tells the rows of a copy from the target's own. */
export interface Ownership {
  readonly rules: ReadonlyMap<string, IdRule>;
  readonly resolved: ResolvedSelection;
  /** DAG runs of the target, read as a source. */
  readonly dagRun: Translation;
  readonly target: Side;
  /** Tables of the target of which every row belongs to a run, and every run is ours: nothing needs to be asked of a row. Default: none. */
  readonly wholly?: ReadonlySet<string>;
  /** Columns over the canonical row `c` that follow the others. */
  readonly also?: readonly Sql[];
  /** Predicate over the target's row `s`: only these. Default: all. */
  readonly source?: Sql | undefined;
}

/** So few DAGs that an index finds their rows sooner than reading a table does. */
const FEW_DAGS = 32;

/** The selected DAGs, where they are few. */
export function fewDags({ dags }: ResolvedSelection): readonly string[] | undefined {
  return dags !== undefined && dags.length <= FEW_DAGS ? dags : undefined;
}

/** Rows that a copy wrote: their own id, or their run's, is one that the ledger gave away. */
function isOurs({ entity, targetTable }: Translation, { rules, resolved, wholly }: Ownership): Sql {
  const inRange = (of: string, id: Sql) => {
    const rule = rules.get(of);
    if (rule === undefined) return "false";
    const also = rule.exceptions.length === 0 ? "" : ` or ${id} in (${rule.exceptions.map(([, to]) => to).join(",")})`;
    return `(${id} between ${rule.low} and ${rule.high}${also})`;
  };
  const { scope, serial } = entity;
  if (serial?.rule === "kept") {
    // Nearly all rows have such an id: an index on it would be read for every slice, and all but the slice thrown away.
    return `coalesce(${inRange(entity.id, `c.${identifier(serial.field)}`)}, false)`;
  }
  const runId = entity.key.find((name) => entity.fields[name]?.references === "dag_run");
  if (runId !== undefined) return inRange("dag_run", `c.${identifier(runId)}`);
  if (scope.of !== "run") return "true";
  const run = `c.${identifier(scope.run)}`;
  if (wholly?.has(targetTable) === true && scope.runIsOptional !== true) return `${run} is not null`;
  const few = fewDags(resolved);
  const ofDags = few === undefined ? "" : ` and o.dag_id = any(array[${few.map(literal).join(",")}]::text[])`;
  const ourRuns = `select o.dag_id, o.run_id from dag_run o where ${inRange("dag_run", "o.id")}${ofDags}`;
  const inOurRun = `(c.${identifier(scope.dag)}, ${run}) in (${ourRuns})`;
  return scope.runIsOptional === true ? `(${run} is null or ${inOurRun})` : inOurRun;
}

/** The target's rows within the same selection as the source's: the columns as they are, then the labels. */
export function targetRows(translation: Translation, columns: readonly OutputColumn[], owned: Ownership): Sql {
  const own = readTarget(translation, owned.target);
  const selected = copiedRows(
    exclusionsFor(own, owned.resolved, { dagRun: owned.dagRun, targetRelease: owned.target.release }),
  );
  const list = columns.map(({ column }) => `c.${identifier(`${RAW}${column}`)} as ${identifier(column)}`);
  const where = [isOurs(own, owned), ...(selected === undefined ? [] : [selected])].join(" and ");
  const also = owned.also ?? [];
  return `select ${[...list, ...labels(own), ...also].join(", ")} from (${own.canonical(owned.source)}) c where ${where}`;
}

/** The target's rows as `readObjects` takes them: columns as they are, secrets as they are to be opened. */
export function targetObjects(translation: Translation, target: Side): Translation {
  const own = readTarget(translation, target);
  const list = own.columns.map((each) =>
    each.codec === undefined
      ? `c.${identifier(`${RAW}${each.column}`)} as ${identifier(each.column)}`
      : `(${each.expression})::${each.codecInput} as ${identifier(each.column)}`,
  );
  return { ...own, select: () => `select ${list.join(", ")} from (${own.canonical()}) c` };
}
