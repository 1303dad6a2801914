import type { Connection } from "mysql2";

/** A row of the catalogue. */
export type Values = Readonly<Record<string, unknown>>;

/** Quotes an identifier. */
export function quoted(name: string): string {
  return `\`${name.replaceAll("`", "``")}\``;
}

/** A value of the catalogue; empty for NULL. */
export function textOf(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

/** One statement with its rows as objects. */
export async function ask(connection: Connection, sql: string): Promise<readonly Values[]> {
  return await new Promise((resolve, reject) => {
    connection.query(sql, (error: unknown, rows: unknown) => {
      if (error instanceof Error) reject(error);
      else resolve(Array.isArray(rows) ? (rows as Values[]) : []);
    });
  });
}
