import { columnOf, tableOf } from "../../airflow/define-entity.ts";
import { entities } from "../../airflow/entities/index.ts";
import type { Entity } from "../../domain/entity.ts";
import type { Session } from "../../ports/database.ts";
import {
  type IdRules,
  identifier,
  NO_ID_RULES,
  placeOf,
  type Side,
  type Translation,
  translate,
} from "../translate/translate.ts";
import { codecInput } from "./columns.ts";
import { idRulesOf, readIdRules, writeIdRule } from "./ledger-ids.ts";

/** Room left after the source's ids, so that its later rows keep their ids and the target's own come after. */
const LEAST_GAP = 100_000;
/** Airflow's serial ids are 32-bit integers in every release. */
const LARGEST_ID = 2_147_483_647;

interface Span {
  readonly low: number;
  readonly high: number;
}

async function span(session: Session, table: string, column: string): Promise<Span | undefined> {
  const [row] = await session.query<{ low: number | null; high: number | null }>(
    `select min(${identifier(column)}) as low, max(${identifier(column)}) as high from ${identifier(table)}`,
  );
  return row?.low == null || row.high == null ? undefined : { low: row.low, high: row.high };
}

/** The sequence that numbers a column: from its default, because an upgraded database keeps the names of older releases. */
async function sequenceOf(session: Session, table: string, column: string): Promise<string | undefined> {
  const [row] = await session.query<{ sequence: string | null }>(
    `select coalesce(pg_get_serial_sequence(quote_ident($1), $2),
       (select substring(pg_get_expr(d.adbin, d.adrelid) from 'nextval\\(''([^'']+)''') from pg_attrdef d
        join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
        where d.adrelid = to_regclass(quote_ident($1)) and a.attname = $2)) as sequence`,
    [table, column],
  );
  return row?.sequence ?? undefined;
}

/** Ids that are the target's own, or given or kept free for another source. */
async function takenIds(
  target: Session,
  here: { readonly table: string; readonly column: string },
  entity: string,
): Promise<Span | undefined> {
  const own = await span(target, here.table, here.column);
  const [given] = await target.query<{ high: string | null }>(
    "select max(high) as high from crosswind.id_rule where entity = $1",
    [entity],
  );
  if (given?.high == null) return own;
  const high = Number(given.high);
  return { low: own?.low ?? high, high: Math.max(own?.high ?? high, high) };
}

function serialColumn(entity: Entity, release: string): { table: string; column: string } | undefined {
  if (entity.serial?.rule !== "kept") return undefined;
  const table = tableOf(entity, release)?.table;
  const field = entity.fields[entity.serial.field];
  const column = field && columnOf(field, entity.serial.field, release);
  return table === undefined || column === undefined ? undefined : { table, column };
}

/**
 * Ids are kept where the target has none, and shifted beyond the target's own where it has; then the target's sequence is set past a gap.
 *
 * Runs once per source and entity: the rule in the ledger holds for every later run.
 */
async function settleEntity(
  source: Session,
  target: Session,
  options: { readonly translation: Translation; readonly identity: string; readonly targetRelease: string },
): Promise<void> {
  const { translation, identity } = options;
  const here = serialColumn(translation.entity, options.targetRelease);
  if (here === undefined) return;
  const [row] = await source.query<{ low: string | null; high: string | null }>(
    `select min(c.${identifier(translation.entity.serial?.field ?? "id")}) as low, max(c.${identifier(translation.entity.serial?.field ?? "id")}) as high from (${translation.canonical()}) c`,
  );
  const low = Number(row?.low ?? 1);
  const high = Number(row?.high ?? 0);
  const taken = await takenIds(target, here, translation.entity.id);
  const offset = taken === undefined || taken.high < low ? 0 : taken.high - low + 1;
  const end = Math.min(high + offset + Math.max(LEAST_GAP, high), LARGEST_ID - LEAST_GAP);
  const rule = { entity: translation.entity.id, offset, low: low + offset, high: Math.max(end, high + offset) };
  const sequence = await sequenceOf(target, here.table, here.column);
  if (sequence !== undefined) {
    await target.query(`select setval($1::regclass, greatest($2::bigint, (select last_value from ${sequence})))`, [
      sequence,
      Math.max(rule.high, taken?.high ?? 0),
    ]);
  }
  await writeIdRule(target, identity, rule);
}

/** Settles the ids of every entity that keeps them, in one transaction with whatever the caller does there. */
export async function settleIdRules(
  source: Session,
  target: Session,
  options: { readonly translations: readonly Translation[]; readonly identity: string; readonly targetRelease: string },
): Promise<IdRules> {
  const known = new Set((await readIdRules(target, options.identity)).map((rule) => rule.entity));
  for (const translation of options.translations) {
    if (!known.has(translation.entity.id)) await settleEntity(source, target, { ...options, translation });
  }
  return idRulesOf(await readIdRules(target, options.identity));
}

/** Pairs of source id and target id of an entity whose rows the target numbers: matched by key, after they were merged. */
async function readIdMap(
  source: Session,
  target: Session,
  sides: { readonly fromSource: Translation; readonly fromTarget: Translation },
): Promise<readonly (readonly [number, number])[]> {
  const { entity } = sides.fromSource;
  // Ids in a key mean something else on the other side: what they refer to is told by its name.
  const key = sides.fromTarget.key.map((name) => `c.${identifier(entity.fields[name]?.namedBy ?? name)}`).join(", ");
  const field = identifier(entity.serial?.field ?? "id");
  const read = (translation: Translation) =>
    `select c.${field} as id, jsonb_build_array(${key})::text as key from (${translation.canonical()}) c order by 1`;
  const theirs = new Map<string, number>();
  for (const row of await target.query<{ id: number; key: string }>(read(sides.fromTarget))) {
    // The oldest row of equal text: a template or asset is matched by what it says, and the first one is the one in use.
    if (!theirs.has(row.key)) theirs.set(row.key, row.id);
  }
  const rows = await source.query<{ id: number; key: string }>(read(sides.fromSource));
  return rows.flatMap((row) => {
    const theirId = theirs.get(row.key);
    return theirId === undefined ? [] : [[row.id, theirId] as const];
  });
}

interface BothSides {
  readonly sourceSide: Side;
  readonly targetSide: Side;
}

/** Entities whose rows the target numbers and that others refer to, whatever is selected: what is copied may refer to what is not. */
function referredEntities(): readonly Entity[] {
  const referred = new Set(
    entities.flatMap((entity) => Object.values(entity.fields).flatMap((field) => field.references ?? [])),
  );
  return entities.filter((entity) => entity.serial?.rule === "mapped" && referred.has(entity.id));
}

/** True where rows of the entity have ids that the target gave and that others refer to. */
export function givesIds(entity: Entity): boolean {
  return referredEntities().includes(entity);
}

/**
 * Entities that one side has no table for although another database of its release may have one: ids of the other side mean nothing there.
 * Where neither side has it, what looks like an id is something that both know (the names of another auth manager).
 */
export function oneSidedEntities({ sourceSide, targetSide }: BothSides): readonly string[] {
  return referredEntities()
    .filter((entity) => entity.tables.some((row) => row.isOptional === true))
    .filter((entity) => (placeOf(entity, sourceSide) === undefined) !== (placeOf(entity, targetSide) === undefined))
    .map((entity) => entity.id);
}

/** What is known of ids before a row is read: those of one-sided entities can not be followed. */
export function idRulesBefore(sides: BothSides): IdRules {
  return { ...NO_ID_RULES, maps: Object.fromEntries(oneSidedEntities(sides).map((id) => [id, []])) };
}

/** The target's ids of all rows that it numbers itself and has, by entity. `of`: of these entities alone. */
export async function readIdMaps(
  source: Session,
  target: Session,
  { of = referredEntities(), ...sides }: BothSides & { readonly of?: readonly Entity[] },
): Promise<IdRules["maps"]> {
  const maps: Record<string, IdRules["maps"][string]> = { ...idRulesBefore(sides).maps };
  const options = { target: sides.targetSide, ids: NO_ID_RULES, optimistic: true, codecInput };
  for (const entity of of) {
    const fromSource = translate(entity, { ...options, source: sides.sourceSide });
    const fromTarget = translate(entity, { ...options, source: sides.targetSide });
    if (fromSource !== undefined && fromTarget !== undefined)
      maps[entity.id] = await readIdMap(source, target, { fromSource, fromTarget });
  }
  return maps;
}
