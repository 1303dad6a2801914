import type { Database, Session } from "../../ports/database.ts";
import type { TargetColumn, TargetTable, UploadRows } from "../../ports/raw-target.ts";
import { identifier } from "../translate/translate.ts";
import { rowsOfSpec, type UploadSpec } from "./changes.ts";

/** Types of the mirror's columns, by table and column. */
export type MirrorTypes = ReadonlyMap<string, ReadonlyMap<string, string>>;

export async function readMirrorTypes(session: Session): Promise<MirrorTypes> {
  const rows = await session.query<{ table: string; column: string; type: string }>(
    `select c.relname as table, a.attname as column, format_type(a.atttypid, null) as type from pg_class c
     join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace`,
  );
  const types = new Map<string, Map<string, string>>();
  for (const { table, column, type } of rows) {
    const known = types.get(table) ?? new Map<string, string>();
    types.set(table, known.set(column, type));
  }
  return types;
}

/** Bytes of a UUID without its dashes, as SQLAlchemy keeps it where a database has no type for it. */
const UUID_DIGITS = 32;

/** A value of the mirror as text that MySQL reads. Times are UTC. */
function textOf(value: string, type: string, column: TargetColumn): string {
  if (type === "boolean") return `${value}::int`;
  if (type === "bytea") return `encode(${value}, 'hex')`;
  if (type === "timestamp with time zone") return `to_char(${value} at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')`;
  if (type === "timestamp without time zone") return `to_char(${value}, 'YYYY-MM-DD HH24:MI:SS.US')`;
  const isBare = type === "uuid" && column.type !== "uuid" && isUuidWithoutDashes(column);
  return isBare ? `replace(${value}::text, '-', '')` : `${value}::text`;
}

/** `char(32)`: 32 characters of at most 4 bytes each; `char(36)` has room for the dashes. */
function isUuidWithoutDashes({ mostBytes = UUID_DIGITS, charset }: TargetColumn): boolean {
  return mostBytes / (BYTES_OF_CHARSET[charset ?? ""] ?? 4) <= UUID_DIGITS;
}

/** Bytes of the longest character. Source: MySQL manual, "Supported Character Sets and Collations". */
const BYTES_OF_CHARSET: Readonly<Record<string, number>> = { utf8mb4: 4, utf8mb3: 3, utf8: 3, latin1: 1, ascii: 1 };

interface Rows {
  readonly mirror: Database;
  readonly table: TargetTable;
  readonly types: ReadonlyMap<string, string>;
  readonly spec: UploadSpec;
}

/** The rows of a spec as CSV: as they are (`n`), or as they were when the mirror was made (`b`). */
export function uploadRows({ mirror, table, types, spec }: Rows, alias: "n" | "b"): UploadRows {
  const columns = table.columns.flatMap((column) => {
    const type = types.get(column.name);
    return type === undefined ? [] : [{ column, type }];
  });
  const list = columns.map(({ column, type }) => textOf(`${alias}.${identifier(column.name)}`, type, column));
  const order = table.key.map((name) => `${alias}.${identifier(name)}`).join(", ");
  // A table of InnoDB lies in the order of its key: rows that come in it are written side by side.
  const select = `select ${list.join(", ")} from ${rowsOfSpec(table, spec)} order by ${order}`;
  return {
    columns: columns.map(({ column, type }) => ({ name: column.name, isHex: type === "bytea" })),
    open: async () => {
      const session = await mirror.session();
      const stream = session.copyOut(select, "csv");
      return Object.assign(stream, {
        [Symbol.asyncDispose]: async () => {
          stream.destroy();
          await session[Symbol.asyncDispose]();
        },
      });
    },
  };
}
