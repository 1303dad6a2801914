import { columnOf, tableOf } from "../../airflow/define-entity.ts";
import type { Entity } from "../../domain/entity.ts";
import type { Session } from "../../ports/database.ts";
import { identifier, type Translation } from "../translate/translate.ts";
import { type IdRule, readIdRules, writeIdRule } from "./ledger.ts";

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
): Promise<IdRule | undefined> {
  const { translation, identity } = options;
  const here = serialColumn(translation.entity, options.targetRelease);
  if (here === undefined) return undefined;
  const [row] = await source.query<{ low: string | null; high: string | null }>(
    `select min(c.${identifier(translation.entity.serial?.field ?? "id")}) as low, max(c.${identifier(translation.entity.serial?.field ?? "id")}) as high from (${translation.canonical()}) c`,
  );
  const low = Number(row?.low ?? 1);
  const high = Number(row?.high ?? 0);
  const taken = await span(target, here.table, here.column);
  const offset = taken === undefined || taken.high < low ? 0 : taken.high - low + 1;
  const end = Math.min(high + offset + Math.max(LEAST_GAP, high), LARGEST_ID - LEAST_GAP);
  const rule: IdRule = { entity: translation.entity.id, offset, low: low + offset, high: Math.max(end, high + offset) };
  const sequence = await sequenceOf(target, here.table, here.column);
  if (sequence !== undefined) {
    await target.query(`select setval($1::regclass, greatest($2::bigint, (select last_value from ${sequence})))`, [
      sequence,
      Math.max(rule.high, taken?.high ?? 0),
    ]);
  }
  await writeIdRule(target, identity, rule);
  return rule;
}

/** Settles the ids of every entity that keeps them, in one transaction with whatever the caller does there. */
export async function settleIdRules(
  source: Session,
  target: Session,
  options: { readonly translations: readonly Translation[]; readonly identity: string; readonly targetRelease: string },
): Promise<Readonly<Record<string, number>>> {
  const known = new Map((await readIdRules(target, options.identity)).map((rule) => [rule.entity, rule]));
  const offsets: Record<string, number> = {};
  for (const translation of options.translations) {
    const { id } = translation.entity;
    const rule = known.get(id) ?? (await settleEntity(source, target, { ...options, translation }));
    if (rule !== undefined) offsets[id] = rule.offset;
  }
  return offsets;
}

/** Pairs of source id and target id of an entity whose rows the target numbers: matched by key, after they were merged. */
export async function readIdMap(
  source: Session,
  target: Session,
  sides: { readonly fromSource: Translation; readonly fromTarget: Translation },
): Promise<readonly (readonly [number, number])[]> {
  const { entity } = sides.fromSource;
  const key = sides.fromTarget.key.map((name) => `c.${identifier(name)}`).join(", ");
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
