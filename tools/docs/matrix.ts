import { tableOf } from "../../src/airflow/define-entity.ts";
import { entities } from "../../src/airflow/entities/index.ts";
import type { Entity } from "../../src/domain/entity.ts";
import { fieldsWithoutPlace } from "../../src/engine/plan/count-rows.ts";
import { recordedSchema } from "../../test/support/recorded-schemas.ts";
import { table } from "./markdown.ts";
import { PROVEN_PAIRS, type ProvenPair } from "./pairs.ts";

function side(release: string) {
  return { release, schema: recordedSchema(release) };
}

/** As GitHub names the anchor of a heading. */
function anchor(title: string): string {
  return title
    .toLowerCase()
    .replaceAll(/[^\w -]/g, "")
    .replaceAll(" ", "-");
}

function whereTo(entity: Entity, { from, to }: ProvenPair): string {
  if (tableOf(entity, from) === undefined) return "–";
  if (tableOf(entity, to) === undefined) return `stay: ${entity.lost ?? "the target has no place for them"}`;
  const lost = fieldsWithoutPlace(entity, side(from), side(to));
  return lost.length === 0 ? "moves" : `moves ([fields](docs/reference/entities.md#${anchor(entity.title)}))`;
}

/** The table of README.md: what moves, between the releases that are proven. */
export function matrix(): string {
  const rows = entities.map((entity) => [entity.title, ...PROVEN_PAIRS.map((pair) => whereTo(entity, pair))]);
  return [
    table(
      ["", ...PROVEN_PAIRS.map((pair) => `${pair.from} → ${pair.to}`)],
      [...rows, ["Users and roles", ...PROVEN_PAIRS.map(() => "stay")]],
    ),
    "",
    '–: the source\'s release has nothing of the kind. "fields": some fields are kept in another way there, or have no place. Rows of runs that are not finished stay behind in every pair, and so do tables that the target makes anew ([not copied](docs/reference/entities.md#not-copied)).',
  ].join("\n");
}
