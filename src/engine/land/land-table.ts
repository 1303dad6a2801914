import type { Session } from "../../ports/database.ts";
import { identifier } from "../translate/translate.ts";
import type { LandedShape } from "./landed-shape.ts";
import { type LoadJob, loadTable } from "./load-table.ts";
import { RECORD_SCHEMA, type TableRecord, writeTable } from "./record.ts";

/** Columns and types as they are recorded. */
export function shapeText({ raw, types }: LandedShape): string {
  return JSON.stringify(raw.columns.map((column, at) => [column.name, types[at]]));
}

async function makeTable(session: Session, table: string, { raw, types }: LandedShape): Promise<void> {
  const columns = raw.columns.map((column, at) => `${identifier(column.name)} ${types[at]}`);
  await session.query(`create unlogged table ${table} (${columns.join(", ")})`);
}

/** Rows that are the same stay as they are, so that what changed can be told from them as from any Postgres. */
async function replaceChanged(session: Session, next: string, { raw }: LandedShape): Promise<void> {
  const table = `public.${identifier(raw.name)}`;
  if (raw.key.length === 0) {
    await session.query(`delete from ${table}`);
    await session.query(`insert into ${table} select * from ${next}`);
    return;
  }
  const sameKey = raw.key.map((name) => `n.${identifier(name)} = l.${identifier(name)}`).join(" and ");
  await session.query(`analyze ${next}`);
  await session.query(
    `delete from ${table} l where not exists (select from ${next} n where ${sameKey} and (n.*)::text = (l.*)::text)`,
  );
  await session.query(
    `insert into ${table} select n.* from ${next} n where not exists (select from ${table} l where ${sameKey})`,
  );
}

/** Brings one table up to date; true where anything in it changed. */
export async function landTable(
  session: Session,
  shape: LandedShape,
  job: LoadJob & { readonly before: TableRecord | undefined },
): Promise<{ readonly rows: number; readonly isChanged: boolean }> {
  const { name } = shape.raw;
  const table = `public.${identifier(name)}`;
  const text = shapeText(shape);
  if (job.before?.shape !== text) {
    await session.query(`drop table if exists ${table} cascade`);
    await makeTable(session, table, shape);
    const loaded = await loadTable(session, table, shape, job);
    await writeTable(session, name, { shape: text, ...loaded });
    return { rows: loaded.rows, isChanged: true };
  }
  const next = `${RECORD_SCHEMA}.next`;
  await makeTable(session, next, shape);
  const loaded = await loadTable(session, next, shape, job);
  const isChanged = loaded.digest !== job.before.digest;
  if (isChanged) await replaceChanged(session, next, shape);
  await session.query(`drop table ${next}`);
  if (isChanged) await writeTable(session, name, { shape: text, ...loaded });
  return { rows: loaded.rows, isChanged };
}
