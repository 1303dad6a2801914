import { tableOf } from "../../airflow/define-entity.ts";
import type { Sql } from "../../domain/entity.ts";
import type { RunKey } from "../../domain/plan.ts";
import { changedSince } from "../copy/chunks.ts";
import { type LeftOutRun, literal, type ResolvedSelection } from "../select/filters.ts";
import type { Translation } from "../translate/translate.ts";
import type { Base } from "./base.ts";

/** Rows of one entity that a delta brings, under a name that tells them from others of it. */
export interface ChangedRows {
  readonly name: "changed" | "arrived";
  /** Predicate over the source row `s`. */
  readonly source?: Sql;
  /** Predicate over the canonical row `c`. */
  readonly canonical?: Sql;
}

function keyOf({ dag_id, run_id }: RunKey): string {
  return JSON.stringify([dag_id, run_id]);
}

/** What of the source came into reach since the base, and what left it. */
export interface Reach {
  /** Runs that were left out and are finished now: all of their rows are brought, however old. */
  readonly arrivedRuns: readonly RunKey[];
  /** DAGs that were not selected. */
  readonly arrivedDags: readonly string[];
  /** Runs that were copied as finished and are open again: held back as they are on the target until they end. */
  readonly reopenedRuns: readonly LeftOutRun[];
}

/** Compares what was left out then with what is left out now. A run that is there no more is among the arrived ones and brings nothing. */
export function reachOf(then: ResolvedSelection, now: ResolvedSelection, copied: ReadonlySet<string>): Reach {
  const open = new Set(now.leftOut.map(keyOf));
  const before = new Set(then.dags);
  return {
    arrivedRuns: then.leftOut.filter((run) => !open.has(keyOf(run))),
    arrivedDags: then.dags === undefined ? [] : (now.dags ?? []).filter((dag) => !before.has(dag)),
    reopenedRuns: now.leftOut.filter((run) => copied.has(keyOf(run))),
  };
}

/** The predicate over `c` of rows that belong to the runs or DAGs; undefined where the entity has none of them. */
function within({ entity: { scope } }: Translation, { arrivedRuns, arrivedDags }: Reach): Sql | undefined {
  const parts: Sql[] = [];
  if (scope.of === "run" && arrivedRuns.length > 0) {
    const runs = arrivedRuns.map((run) => `(${literal(run.dag_id)}, ${literal(run.run_id)})`).join(",");
    parts.push(`(c.${scope.dag}, c.${scope.run}) in (values ${runs})`);
  }
  if (scope.of !== "environment" && arrivedDags.length > 0)
    parts.push(`c.${scope.dag} in (${arrivedDags.map(literal).join(",")})`);
  return parts.length === 0 ? undefined : parts.join(" or ");
}

export interface ChangesOptions {
  readonly base: Base;
  readonly reach: Reach;
  readonly filenodes: Readonly<Record<string, string>>;
  readonly sourceRelease: string;
  /** Only rows of this DAG are wanted. Default: of all. */
  readonly dag?: string;
  /** The source was landed: its rows are all new to staging. */
  readonly isLanded: boolean;
}

/**
 * What a delta reads of an entity. A superset of what changed is fine: equal rows are left alone by the merge.
 *
 * Few rows, rows of a table that was rewritten, and those of an entity that was never copied: all. Else those whose `xmin`, or that of a joined
 * row, is not older than the mark; and everything of runs and DAGs that came into reach, because their early rows never change again.
 */
export function changesOf(translation: Translation, options: ChangesOptions): readonly ChangedRows[] {
  const { entity, sourceTable, isConstant } = translation;
  const { base, filenodes } = options;
  const isRewritten = base.filenodes[sourceTable] !== filenodes[sourceTable];
  const isNew = !base.begun.has(entity.id);
  // Of few rows all: which of them are copied may hang on other tables. Not of secrets, which look different each time they are encrypted.
  const isFew = entity.load === "merge" && !translation.columns.some((column) => column.codec !== undefined);
  if (isFew || isConstant || isRewritten || isNew || options.isLanded) return [{ name: "changed" }];
  const dag = entity.scope.of === "environment" ? undefined : options.dag;
  const source = changedSince(tableOf(entity, options.sourceRelease)?.from, base.mark.xid, dag);
  const canonical = within(translation, options.reach);
  return [{ name: "changed", source }, ...(canonical === undefined ? [] : [{ name: "arrived" as const, canonical }])];
}
