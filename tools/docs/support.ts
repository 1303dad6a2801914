import { rowOf, tableOf } from "../../src/airflow/define-entity.ts";
import { entities } from "../../src/airflow/entities/index.ts";
import { recordedReleases } from "../../src/airflow/releases.ts";
import type { Entity } from "../../src/domain/entity.ts";
import { compareReleases, type Release } from "../../src/domain/release.ts";
import { fieldsWithoutPlace } from "../../src/engine/plan/count-rows.ts";
import { recordedSchema } from "../../test/support/recorded-schemas.ts";
import { code, page, table } from "./markdown.ts";

/** Targets are Airflow 2.2 and later. */
const OLDEST_TARGET = "2.2.5";

function side(release: Release) {
  return { release, schema: recordedSchema(release) };
}

/** Something that a source keeps and a target has no place for. */
interface Loss {
  readonly what: string;
  readonly why: string;
}

function lossesOf(entity: Entity, from: Release, to: Release): readonly Loss[] {
  if (tableOf(entity, from) === undefined) return [];
  if (tableOf(entity, to) === undefined)
    return [{ what: entity.title, why: entity.lost ?? "the target has no place for them" }];
  return fieldsWithoutPlace(entity, side(from), side(to)).map(({ field, reason }) => ({
    what: `${entity.title}: ${code(field)}`,
    why: reason,
  }));
}

function losses(from: Release, to: Release): readonly Loss[] {
  return entities.flatMap((entity) => lossesOf(entity, from, to));
}

/** Fields whose encoding is another one on the target, or that change keys. */
function translated(from: Release, to: Release): readonly string[] {
  return entities.flatMap((entity) => {
    if (tableOf(entity, from) === undefined || tableOf(entity, to) === undefined) return [];
    return Object.entries(entity.fields).flatMap(([name, field]) => {
      const [source, target] = [rowOf(field, from), rowOf(field, to)];
      const isOther = source?.shape !== undefined && target?.shape !== undefined && source.shape !== target.shape;
      const isWritten = target?.column !== undefined && (target.write !== undefined || source?.read !== undefined);
      return isOther || (isWritten && source !== target) ? [`${entity.id}.${name}`] : [];
    });
  });
}

function cellOf(from: Release, to: Release): string {
  const [lost, changed] = [losses(from, to).length, translated(from, to).length];
  const moved = entities.filter((each) => tableOf(each, from) !== undefined && tableOf(each, to) !== undefined).length;
  return `${moved} · ${changed} · ${lost}`;
}

/** Releases in a row as a range of them. */
function inWords(some: readonly Release[], all: readonly Release[]): string {
  const first = some[0] ?? "";
  const last = some.at(-1) ?? "";
  const between = all.slice(all.indexOf(first), all.indexOf(last) + 1);
  if (some.length === 1) return first;
  return between.length === some.length ? `${first} to ${last}` : some.join(", ");
}

function lossesTo(to: Release): string {
  const found = recordedReleases.flatMap((from) => losses(from, to).map((loss) => ({ ...loss, from })));
  const rows = [...Map.groupBy(found, ({ what, why }) => JSON.stringify([what, why])).values()].map((group) => [
    group[0]?.what ?? "",
    inWords(
      group.map((each) => each.from),
      recordedReleases,
    ),
    group[0]?.why ?? "",
  ]);
  return rows.length === 0
    ? "Nothing: it has a place for everything that any release keeps."
    : table(["stays behind", "from", "why"], rows);
}

function translationsFor(to: Release): string {
  const found = recordedReleases
    .filter((from) => from !== to)
    .flatMap((from) => translated(from, to).map((field) => ({ field, from })));
  const rows = [...Map.groupBy(found, ({ field }) => field)].map(([field, group]) => [
    code(field),
    inWords(
      group.map((each) => each.from),
      recordedReleases,
    ),
  ]);
  return table(["translated", "from"], rows);
}

/** docs/reference/support.md: pair by pair what moves, what is translated and what stays behind, from the entity files. */
export function supportPage(): string {
  const targets = recordedReleases.filter((release) => compareReleases(release, OLDEST_TARGET) >= 0);
  const head = ["from \\ to", ...targets];
  const rows = recordedReleases.map((from) => [`**${from}**`, ...targets.map((to) => cellOf(from, to))]);
  return page(
    "# What moves between which releases",
    "Each cell: kinds of content that move · fields that are translated · kinds and fields that the target has no place for. All of it comes from the entity files; a plan counts the rows that have a value in such a field, and names them before anything is written. An older target needs `--accept-loss`.",
    "Releases between two of these have the schema of one of them or lie between them: see [entities](entities.md) for every range.",
    table(head, rows),
    ...targets.flatMap((to) => [`## To ${to}`, lossesTo(to), translationsFor(to)]),
  );
}
