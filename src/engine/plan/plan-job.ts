import type { FernetKeys } from "../../airflow/codecs/index.ts";
import type { Entity } from "../../domain/entity.ts";
import type { Finding } from "../../domain/finding.ts";
import type { Secret } from "../../domain/secret.ts";
import type { Selection } from "../../domain/selection.ts";
import type { Database, Session } from "../../ports/database.ts";
import type { TargetTable } from "../../ports/raw-target.ts";
import type { ProbedSide } from "../probe/probe-side.ts";
import type { ResolvedSelection } from "../select/filters.ts";
import type { IdRules, Translation } from "../translate/translate.ts";

/** What a plan is made from. */
export interface PlanJob {
  readonly source: Database;
  readonly target: Database;
  /** Set where the target is no Postgres: its tables in their own shape. */
  readonly targetTables?: readonly TargetTable[];
  readonly sourceKeys?: Secret;
  readonly targetKeys?: Secret;
  readonly selection: Selection;
  readonly acceptLoss: boolean;
  readonly now: Date;
  readonly id: string;
  readonly version: string;
}

/** What the checks of a plan look at. Sessions are read-only on the source; on the target nothing is written. */
export interface PlanContext {
  readonly job: PlanJob;
  readonly source: ProbedSide;
  readonly target: ProbedSide;
  readonly sourceSession: Session;
  readonly targetSession: Session;
  readonly sourceKeys?: FernetKeys;
  readonly targetKeys?: FernetKeys;
  /** Random, for this plan alone. */
  readonly digestKey: Buffer;
  readonly selected: readonly Entity[];
  readonly dagRun: Translation;
  readonly resolved: ResolvedSelection;
  /** Translation source to target, by entity id, of entities with a place on both sides. */
  readonly translations: ReadonlyMap<string, Translation>;
  /** Ids of rows that both sides have already, for comparing what refers to them. */
  readonly ids: IdRules;
}

/** One check: its findings, none when all is well. */
export type PlanCheck = (context: PlanContext) => Promise<readonly Finding[]>;

const MOST_FLAGS = 10;
const MOST_SUBJECTS = 20;

/** Names for a finding: at most a screenful, with how many there are in all. */
export function subjectsOf(
  names: readonly string[],
  most = MOST_SUBJECTS,
): { readonly subjects: readonly string[]; readonly count: number } {
  return { subjects: names.slice(0, most), count: names.length };
}

/** Quoted for a POSIX shell, whatever the name holds. */
export function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** `--without` for each of the objects; beyond a handful they are better written into the configuration. */
export function withoutFlags(entity: string, names: readonly string[]): string {
  if (names.length > MOST_FLAGS)
    return `crosswind plan, with the ${names.length} names in select.without of crosswind.yaml`;
  return `crosswind plan ${names.map((name) => `--without ${shellQuoted(`${entity}:${name}`)}`).join(" ")}`;
}

/** Some names for a sentence: `"a", "b", "c" and 12 more`. */
export function enumerate(names: readonly string[], most = 3): string {
  const shown = names.slice(0, most).map((name) => `"${name}"`);
  const rest = names.length - shown.length;
  return rest > 0 ? `${shown.join(", ")} and ${rest} more` : shown.join(", ");
}
