import { entities } from "../../airflow/entities/index.ts";
import type { Finding } from "../../domain/finding.ts";
import { nearest } from "../../domain/nearest.ts";
import { list, namesOf, namesWithout } from "../select/filters.ts";
import type { Translation } from "../translate/translate.ts";
import { enumerate, type PlanCheck, type PlanContext, shellQuoted, subjectsOf } from "./plan-job.ts";

/** Names that are looked through for the one that was meant. */
const MOST_KNOWN = 10_000;

function unknownFinding(unknown: readonly string[], meant: readonly string[]): Finding {
  return {
    code: "WITHOUT_UNKNOWN",
    severity: "warning",
    what: `${unknown.length} of the objects to leave out are not on the source (${enumerate(unknown)}): nothing is left out for them`,
    next: [
      ...meant.map((each) => `meant was probably: --without ${shellQuoted(each)}`),
      "or take them out of --without and of select.without in crosswind.yaml",
    ],
    ...subjectsOf(unknown),
  };
}

interface Looked {
  readonly unknown: string;
  readonly meant?: string;
}

async function lookFor(
  { sourceSession }: PlanContext,
  translation: Translation,
  names: readonly string[],
): Promise<readonly Looked[]> {
  const called = namesOf(translation).map((name) => `select ${name} as name from rows c`);
  const rows = `with rows as (${translation.canonical()}), called as (${called.join(" union ")})`;
  const found = await sourceSession.query<{ name: string }>(
    `${rows} select name from called where name = any ${list(names)}`,
  );
  const missing = names.filter((name) => !found.some((row) => row.name === name));
  if (missing.length === 0) return [];
  const { id, load } = translation.entity;
  // History has too many names to look through, and none that one types.
  const known =
    load === "merge"
      ? await sourceSession.query<{ name: string }>(
          `${rows} select name from called where name is not null limit ${MOST_KNOWN}`,
        )
      : [];
  return missing.map((name) => {
    const meant = nearest(
      name,
      known.map((row) => row.name),
    );
    return { unknown: `${id}:${name}`, ...(meant === undefined ? {} : { meant: `${id}:${meant}` }) };
  });
}

function unknownKinds(without: readonly string[]): readonly Looked[] {
  const known = entities.map(({ id }) => id);
  return without.flatMap((each) => {
    const at = each.indexOf(":");
    const kind = each.slice(0, at);
    if (known.includes(kind)) return [];
    const meant = nearest(kind, known);
    return [{ unknown: each, ...(meant === undefined ? {} : { meant: `${meant}${each.slice(at)}` }) }];
  });
}

/** Objects to leave out that are not there: mistyped, they would be copied without a word. */
export const checkWithout: PlanCheck = async (context) => {
  const { without } = context.job.selection;
  const looked = [...unknownKinds(without)];
  for (const translation of context.translations.values()) {
    const names = namesWithout(without, translation.entity.id);
    if (names.length > 0) looked.push(...(await lookFor(context, translation, names)));
  }
  if (looked.length === 0) return [];
  return [
    unknownFinding(
      looked.map(({ unknown }) => unknown),
      looked.flatMap(({ meant }) => meant ?? []),
    ),
  ];
};
