import type { Connection } from "mysql2";
import type { RawCheck, RawTable } from "../../ports/raw-source.ts";
import { ask, quoted } from "./ask.ts";
import type { MysqlAddress } from "./url.ts";

/** Tables that the user sees and may not read. */
export async function refusedTables(connection: Connection, tables: readonly RawTable[]): Promise<readonly string[]> {
  const refused: string[] = [];
  for (const { name } of tables) {
    await ask(connection, `select 1 from ${quoted(name)} limit 0`).catch((error: { code?: unknown }) => {
      if (error.code !== "ER_TABLEACCESS_DENIED_ERROR") throw error;
      refused.push(name);
    });
  }
  return refused;
}

export function tlsCheck(cipher: string, isLocal: boolean): RawCheck {
  const about = { id: "tls", title: "Encryption on the way" } as const;
  if (cipher !== "") return { ...about, status: "ok", detail: `encrypted (${cipher})` };
  if (isLocal) return { ...about, status: "ok", detail: "not encrypted, and never leaves the server's machine" };
  return {
    ...about,
    status: "note",
    detail: "not encrypted, and the server is on another machine: rows and password cross the network as they are",
    next: ["add ?ssl_ca=PATH (the authority's certificate) or ?ssl-mode=VERIFY_IDENTITY to the URL of the database"],
  };
}

/** `user@host` as GRANT wants it. */
export function accountOf(user: string): string {
  return user
    .split("@")
    .map((part) => `'${part.replaceAll("'", "''")}'`)
    .join("@");
}

export function rightsCheck(refused: readonly string[], { database }: MysqlAddress, user: string): RawCheck {
  const about = { id: "rights", title: "Rights" } as const;
  if (refused.length === 0) return { ...about, status: "ok", detail: `${user} may read every table that it sees` };
  return {
    ...about,
    status: "blocker",
    detail: `${user} may not read ${refused.length} tables: ${refused.slice(0, 6).join(", ")}`,
    next: [`GRANT SELECT ON ${quoted(database)}.* TO ${accountOf(user)};`],
  };
}

export function sizeCheck(bytes: number): RawCheck {
  const mebibytes = Math.ceil(bytes / 1024 / 1024);
  return {
    id: "size",
    title: "Room on disk",
    status: "note",
    detail: `about ${mebibytes} MiB of rows: staging needs as much free`,
  };
}
