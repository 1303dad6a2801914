import type { Connection } from "mysql2";
import type { RawCheck } from "../../ports/raw-source.ts";
import { ask, quoted, textOf } from "./ask.ts";
import { accountOf } from "./checks.ts";
import { hasLedger, ledgerName } from "./target-ledger.ts";
import type { MysqlAddress } from "./url.ts";

/** What writing needs, in MySQL's own names. ALTER is for the number that a table gives next. */
const NEEDED = ["SELECT", "INSERT", "UPDATE", "DELETE", "CREATE TEMPORARY TABLES", "ALTER"] as const;

/** A grant's rights and what they are on: `GRANT SELECT, INSERT ON `airflow`.* TO ...`. */
function parseGrant(grant: string): { readonly rights: readonly string[]; readonly on: string } | undefined {
  const match = /^GRANT (.+?) ON (.+?) TO /i.exec(grant);
  if (match === null) return undefined;
  const rights = (match[1] ?? "").split(/,\s*/).map((right) => right.trim().toUpperCase());
  return { rights, on: (match[2] ?? "").replaceAll("`", "").replaceAll("\\_", "_") };
}

/** Rights on a whole schema that the user's grants give; those on single tables count for nothing here. */
function rightsOn(grants: readonly string[], schema: string): ReadonlySet<string> {
  const covers = (on: string) => {
    const [name = "", rest] = on.split(".");
    if (rest !== "*") return false;
    const pattern = name.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll("%", ".*");
    return name === "*" || on === "*.*" || new RegExp(`^${pattern}$`, "i").test(schema);
  };
  return new Set(
    grants.map(parseGrant).flatMap((grant) => (grant !== undefined && covers(grant.on) ? grant.rights : [])),
  );
}

/** A role's rights are not told by the user's own grants. */
function hasRoles(grants: readonly string[]): boolean {
  return grants.some((grant) => !/ ON /i.test(grant));
}

interface Facts {
  readonly address: MysqlAddress;
  readonly user: string;
  readonly takesFiles: boolean;
}

function rightsCheck(rights: ReadonlySet<string>, mayHaveMore: boolean, { address, user }: Facts): RawCheck {
  const about = { id: "writing", title: "Rights to write" } as const;
  const isAll = rights.has("ALL PRIVILEGES") || rights.has("ALL");
  const missing = isAll ? [] : NEEDED.filter((right) => !rights.has(right));
  if (missing.length === 0) return { ...about, status: "ok", detail: `${user} may write to ${address.database}` };
  if (mayHaveMore) {
    const detail = `${user} has roles: whether they bring ${missing.join(", ")} on ${address.database} can not be told`;
    return { ...about, status: "note", detail };
  }
  return {
    ...about,
    status: "blocker",
    detail: `${user} has not, on ${address.database}: ${missing.join(", ")}`,
    next: [`GRANT ${missing.join(", ")} ON ${quoted(address.database)}.* TO ${accountOf(user)};`],
  };
}

function ledgerCheck(mayMake: boolean, isThere: boolean, { address, user }: Facts): RawCheck {
  const about = { id: "ledger", title: "Ledger" } as const;
  const name = ledgerName(address.database);
  if (isThere) return { ...about, status: "ok", detail: `the database ${name} is there` };
  if (mayMake) return { ...about, status: "ok", detail: `the database ${name} can be made` };
  return {
    ...about,
    status: "note",
    detail: `${user} may not make the database ${name}: what was written is recorded in staging and told by the rows themselves`,
    next: [`GRANT ALL ON ${quoted(name)}.* TO ${accountOf(user)};`],
  };
}

/** What there is to know about writing to the database that the connection is in. */
export async function writingChecks(connection: Connection, facts: Facts): Promise<readonly RawCheck[]> {
  const rows = await ask(connection, "show grants");
  const grants = rows.map((row) => textOf(Object.values(row)[0]));
  const { address } = facts;
  const here = rightsOn(grants, address.database);
  const ledger = rightsOn(grants, ledgerName(address.database));
  const mayMake = ["ALL PRIVILEGES", "ALL", "CREATE"].some((right) => ledger.has(right));
  const isThere = await hasLedger(connection, address.database, false);
  return [
    rightsCheck(here, hasRoles(grants), facts),
    ledgerCheck(mayMake, isThere, facts),
    {
      id: "local-infile",
      title: "Loading",
      status: facts.takesFiles ? "ok" : "note",
      detail: facts.takesFiles
        ? "rows go in by LOAD DATA LOCAL"
        : "local_infile is off on the server: rows go in by INSERT, which takes two to three times as long",
    },
  ];
}
