import type { Connection } from "mysql2";
import type { RawCheck, RawTable } from "../../ports/raw-source.ts";
import { ask, quoted } from "./ask.ts";
import type { MysqlAddress, TlsMode } from "./url.ts";

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

/** How much of the server's certificate is looked at. */
const LOOKED_AT: Readonly<Record<TlsMode, string>> = {
  disabled: "",
  "on-demand": "certificate verified",
  required: "certificate not looked at",
  "verify-ca": "certificate verified, but not its names",
  "verify-identity": "certificate verified",
};

export function tlsCheck(cipher: string, { host, socketPath, tls }: MysqlAddress): RawCheck {
  const about = { id: "tls", title: "Encryption on the way" } as const;
  if (cipher !== "" && tls !== "required") return { ...about, status: "ok", detail: `${cipher}, ${LOOKED_AT[tls]}` };
  const next = ["add ?ssl-ca=PATH (the authority's certificate) to the URL of the database"];
  if (cipher !== "") return { ...about, status: "note", detail: `${cipher}, ${LOOKED_AT[tls]}`, next };
  if (socketPath !== undefined || /^(localhost|127\.|::1$)/.test(host))
    return { ...about, status: "ok", detail: "not encrypted, and never leaves the server's machine" };
  return {
    ...about,
    status: "note",
    detail: "not encrypted, and the server is on another machine: rows and password cross the network as they are",
    next,
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
