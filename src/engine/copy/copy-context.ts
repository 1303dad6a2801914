import type { CodecContext } from "../../airflow/codecs/index.ts";
import { tableOf } from "../../airflow/define-entity.ts";
import type { Entity } from "../../domain/entity.ts";
import type { SettledConflicts } from "../../domain/plan.ts";
import type { EventSink } from "../../domain/run-event.ts";
import type { Selection } from "../../domain/selection.ts";
import type { Database } from "../../ports/database.ts";
import type { Throttle } from "../../ports/durable.ts";
import { copiedRows, exclusionsFor, type ResolvedSelection } from "../select/filters.ts";
import { type IdRules, type Side, type Translation, translate } from "../translate/translate.ts";
import { codecInput } from "./columns.ts";

/** What a copy and its verification have in common: both sides, and what goes from one to the other. */
export interface MigrationJob {
  readonly source: Database;
  readonly target: Database;
  readonly sourceSide: Side;
  readonly targetSide: Side;
  /** The source database's identity, as the ledger knows it: system identifier and database oid. */
  readonly identity: string;
  /** Entities of the selection, in order. */
  readonly entities: readonly Entity[];
  readonly selection: Selection;
  /** Keys of both sides. */
  readonly codecs: CodecContext;
  readonly onEvent: EventSink;
}

/** Everything that a copy needs and that does not change while it runs. */
export interface CopyJob extends MigrationJob {
  /** The plan's id: the run's, too. */
  readonly run: string;
  readonly conflicts: SettledConflicts;
  /** The moment that a history of days is counted from. */
  readonly now: Date;
  /** Default: as fast as the databases are. */
  readonly throttle?: Throttle;
}

/** The two translations of one entity: what SQL alone does, and with the fallible fields through their codecs. */
export interface Lanes {
  readonly optimistic: Translation;
  readonly careful: Translation;
}

/** Both translations of an entity; undefined where a side has no place for it. */
export function lanesOf(
  job: Pick<CopyJob, "sourceSide" | "targetSide">,
  entity: Entity,
  ids: IdRules,
): Lanes | undefined {
  const options = { source: job.sourceSide, target: job.targetSide, ids, codecInput };
  const optimistic = translate(entity, { ...options, optimistic: true });
  const careful = translate(entity, { ...options, optimistic: false });
  return optimistic === undefined || careful === undefined ? undefined : { optimistic, careful };
}

/** The translations of all entities of a job that both sides have a place for, by entity id, in order. */
export function allLanes(
  job: Pick<CopyJob, "sourceSide" | "targetSide" | "entities">,
  ids: IdRules,
): ReadonlyMap<string, Lanes> {
  const pairs = job.entities.flatMap((entity) => {
    const lanes = lanesOf(job, entity, ids);
    return lanes === undefined ? [] : [[entity.id, lanes] as const];
  });
  return new Map(pairs);
}

/** The translation of DAG runs, which every selection is resolved with, whether or not they are copied themselves. */
export function dagRunOf(job: Pick<CopyJob, "sourceSide">, dagRun: Entity): Translation {
  const translation = translate(dagRun, {
    source: job.sourceSide,
    target: job.sourceSide,
    ids: { offsets: {}, maps: {} },
    optimistic: true,
    codecInput,
  });
  if (translation === undefined || tableOf(dagRun, job.sourceSide.release) === undefined)
    throw new Error("no release is without DAG runs");
  return translation;
}

/** The predicate over `c` of an entity's rows that are copied. */
export function rowsOf(
  translation: Translation,
  selection: ResolvedSelection,
  context: { readonly dagRun: Translation; readonly targetRelease: string },
) {
  return copiedRows(exclusionsFor(translation, selection, context));
}
