import { tableOf } from "../../airflow/define-entity.ts";
import type { Entity } from "../../domain/entity.ts";
import type { Finding } from "../../domain/finding.ts";
import { isInRange } from "../../domain/release.ts";
import type { Session } from "../../ports/database.ts";
import { type Needed, neededForLedger, readMissingRights } from "../probe/missing-rights.ts";
import type { ProbedSide } from "../probe/probe-side.ts";
import type { Translation } from "../translate/translate.ts";
import { subjectsOf } from "./plan-job.ts";

/** What a plan would read and write. */
export interface RightsJob {
  readonly source: ProbedSide;
  readonly target: ProbedSide;
  readonly selected: readonly Entity[];
  readonly translations: ReadonlyMap<string, Translation>;
  readonly dagRun: Translation;
}

/** Names behind FROM and JOIN: every table that a statement of ours reads. */
function tablesIn(sql: string): readonly string[] {
  return [...sql.matchAll(/\b(?:from|join)\s+"?([a-z_][a-z0-9_]*)"?/gi)].map((match) => match[1] as string);
}

function ofTables(names: Iterable<string>, side: ProbedSide, rights: readonly string[]): readonly Needed[] {
  return [...new Set(names)]
    .sort()
    .filter((name) => side.side.schema.tables[name] !== undefined)
    .map((name) => ({ kind: "TABLE", name, rights }));
}

function neededOnSource({ source, selected, translations, dagRun }: RightsJob): readonly Needed[] {
  const { release } = source.side;
  const statements = [dagRun, ...translations.values()].map((translation) => translation.select());
  const names = [
    "dag",
    ...statements.flatMap(tablesIn),
    ...selected.flatMap((entity) => tableOf(entity, release)?.table ?? []),
  ];
  return [{ kind: "SCHEMA", name: "public", rights: ["USAGE"] }, ...ofTables(names, source, ["SELECT"])];
}

function neededOnTarget({ target, translations }: RightsJob, database: string): readonly Needed[] {
  const { release, schema } = target.side;
  const prepared = [...translations.values()]
    .flatMap(({ entity }) => entity.prepare ?? [])
    .filter((each) => isInRange(release, each.in))
    .flatMap((each) => /insert into (\w+)/.exec(each.sql)?.[1] ?? []);
  const read = [...translations.values()].flatMap(({ onTarget }) =>
    onTarget.flatMap((each) => tablesIn(each.expression)),
  );
  const written = new Set([...[...translations.values()].map((each) => each.targetTable), ...prepared]);
  const kept = new Set(
    [...translations.values()]
      .filter(({ entity }) => entity.serial?.rule === "kept")
      .map((translation) => translation.targetTable),
  );
  const asked = [...translations.values()].flatMap(({ sequence }) => sequence ?? []);
  const sequences = Object.entries(schema.sequences).flatMap(([sequence, owner]) => {
    const table = (owner ?? "").split(".")[0] ?? "";
    if (!written.has(table) || asked.includes(sequence)) return [];
    const rights = kept.has(table) ? ["USAGE", "SELECT", "UPDATE"] : ["USAGE"];
    return [{ kind: "SEQUENCE", name: sequence, rights } as const];
  });
  return [
    { kind: "SCHEMA", name: "public", rights: ["USAGE"] },
    ...asked.map((name) => ({ kind: "SEQUENCE", name, rights: ["USAGE", "SELECT", "UPDATE"] }) as const),
    ...ofTables(
      ["dag", ...read].filter((name) => !written.has(name)),
      target,
      ["SELECT"],
    ),
    ...ofTables(written, target, ["SELECT", "INSERT", "UPDATE"]),
    ...sequences,
    ...neededForLedger(database),
  ];
}

async function findMissing(session: Session, needed: readonly Needed[], side: string): Promise<readonly Finding[]> {
  const [who] = await session.query<{ role: string }>("select quote_ident(current_user) as role");
  const missing = await readMissingRights(session, needed, who?.role ?? "ROLE");
  if (missing.length === 0) return [];
  const names = missing.flatMap((each) => each.names);
  return [
    {
      code: "ROLE_LACKS_RIGHTS",
      severity: "blocker",
      what: `the role ${who?.role} lacks rights on ${new Set(names).size} objects of the ${side}: ${missing.map((each) => each.what).join("; ")}`,
      next: ["let their owner or a superuser run:", ...missing.map((each) => each.grant)],
      ...subjectsOf(names),
    },
  ];
}

/** Every right that a copy would miss, on both sides at once, with the statements that give them. */
export async function checkRights(
  job: RightsJob,
  sessions: { readonly source: Session; readonly target: Session },
): Promise<readonly Finding[]> {
  const [here] = await sessions.target.query<{ name: string }>("select current_database() as name");
  return [
    ...(await findMissing(sessions.source, neededOnSource(job), "source")),
    ...(await findMissing(sessions.target, neededOnTarget(job, here?.name ?? ""), "target")),
  ];
}
