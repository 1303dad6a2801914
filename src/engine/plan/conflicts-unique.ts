import type { Sql } from "../../domain/entity.ts";
import type { Finding } from "../../domain/finding.ts";
import type { ConflictChoice } from "../../domain/selection.ts";
import type { Session } from "../../ports/database.ts";
import { codecInput } from "../copy/columns.ts";
import { copiedRows, exclusionsFor } from "../select/filters.ts";
import { identifier, NO_ID_RULES, type Translation, translate } from "../translate/translate.ts";
import { enumerate, type PlanContext, subjectsOf, withoutFlags } from "./plan-job.ts";

/** An object of the source whose value, which no two rows may share, another object of the target has. */
export interface ValueTaken {
  readonly key: string;
  readonly label: string;
  /** What the value is: `email`. */
  readonly name: string;
  /** The key's values of the target's row, for people. */
  readonly holder: string;
}

interface UniqueRow extends Record<string, unknown> {
  readonly key: readonly string[];
  readonly values: readonly (string | null)[];
}

async function readUnique(
  session: Session,
  translation: Translation,
  where: Sql | undefined,
): Promise<readonly UniqueRow[]> {
  const key = translation.key.map((name) => `c.${identifier(name)}::text`).join(", ");
  const values = (translation.entity.unique ?? []).map(({ value }) => `(${value})::text`).join(", ");
  return await session.query<UniqueRow>(
    `select array[${key}] as key, array[${values}] as values from (${translation.canonical()}) c where ${where ?? "true"} order by 1`,
  );
}

/**
 * True where the merge gets out of the way by itself: it updates rows before it adds new ones, so a row that is new on the target may take
 * what another one gives up.
 */
function isGivenUp(
  at: number,
  taker: { readonly isNew: boolean; readonly value: string },
  holder: UniqueRow | undefined,
) {
  return taker.isNew && holder !== undefined && holder.values[at] !== taker.value;
}

/** Values of the source's objects that the target's unique indexes would refuse, because an object of another key has them. */
export async function valuesTaken(context: PlanContext, translation: Translation): Promise<readonly ValueTaken[]> {
  const { entity } = translation;
  const { dagRun, resolved, target } = context;
  const sides = { source: target.side, target: target.side, ids: NO_ID_RULES, optimistic: true, codecInput };
  const own = entity.unique === undefined ? undefined : translate(entity, sides);
  if (own === undefined) return [];
  const where = copiedRows(exclusionsFor(translation, resolved, { dagRun, targetRelease: target.side.release }));
  const theirs = await readUnique(context.targetSession, own, undefined);
  if (theirs.length === 0) return [];
  const ours = await readUnique(context.sourceSession, translation, where);
  const keyOf = (row: UniqueRow) => JSON.stringify(row.key);
  const [there, coming] = [new Set(theirs.map(keyOf)), new Map(ours.map((row) => [keyOf(row), row]))];
  return (entity.unique ?? []).flatMap(({ name }, at) => {
    const holders = new Map(theirs.map((row) => [row.values[at], row]));
    return ours.flatMap((row) => {
      const [key, value] = [keyOf(row), row.values[at] ?? null];
      const holder = value === null ? undefined : holders.get(value);
      if (value === null || holder === undefined || keyOf(holder) === key) return [];
      if (isGivenUp(at, { isNew: !there.has(key), value }, coming.get(keyOf(holder)))) return [];
      return [{ key, name, label: row.key.join(" · "), holder: holder.key.join(" · ") }];
    });
  });
}

interface Way {
  readonly translation: Translation;
  readonly choice: ConflictChoice;
  readonly taken: readonly ValueTaken[];
}

/** What is said about values that are taken: the source's row stays behind, or the plan is blocked. Nothing can be replaced. */
export function takenFinding({ translation: { entity }, choice, taken }: Way): Finding {
  const labels = [...new Set(taken.map((each) => each.label))];
  const pairs = taken.map((each) => `${each.label} (its ${each.name} is that of ${each.holder})`);
  const what = `${labels.length} of ${entity.title.toLowerCase()} can not be added to the target, where another one has what no two may share: ${enumerate(pairs)}`;
  const base = { code: "TARGET_HAS_VALUE", entity: entity.id };
  const subjects = subjectsOf(labels.map((label) => `${entity.id}:${label}`));
  if (choice === "keep-target")
    return { ...base, severity: "note", what: `${what}; they stay behind`, next: [], ...subjects };
  const next = [
    "change or remove the other one on the target",
    `or leave them out: crosswind plan --on-conflict ${entity.id}=keep-target; single ones: ${withoutFlags(entity.id, labels)}`,
  ];
  return { ...base, severity: "blocker", what, next, ...subjects };
}
