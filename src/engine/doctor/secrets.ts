import { decryptToken } from "../../airflow/codecs/index.ts";
import type { Session } from "../../ports/database.ts";
import { count, type KeyState, type Outcome, type SideCheck, type SideContext, someOf } from "./check.ts";

/** Rows read at once: values are up to some kilobytes, seldom megabytes. */
const PAGE_ROWS = 500;

interface SecretRow {
  readonly id: number;
  readonly name: string;
  readonly tokens: readonly string[];
}

/** Where encrypted values are. `tokens` are the ciphertexts only; plain values never leave the server. */
const PLACES = [
  {
    entity: "connection",
    sql: `select id, coalesce(conn_id, '(id ' || id || ')') as name,
        array_remove(array[case when is_encrypted and password <> '' then password end,
          case when is_extra_encrypted and extra <> '' then extra end], null) as tokens
      from connection where id > $1 order by id limit ${PAGE_ROWS}`,
  },
  {
    entity: "variable",
    sql: `select id, coalesce(key, '(id ' || id || ')') as name,
        array_remove(array[case when is_encrypted and val <> '' then val end], null) as tokens
      from variable where id > $1 order by id limit ${PAGE_ROWS}`,
  },
] as const;

/** How the encrypted values of a database and a key list go together. */
export interface SecretFacts {
  /** Connections and variables with an encrypted value. */
  readonly connections: number;
  readonly variables: number;
  /** Those that no key decrypts, as `variable:legacy_token`. */
  readonly unreadable: readonly string[];
  /** How many of these the other side's key decrypts. */
  readonly readableByOther: number;
}

async function* rowsOf(session: Session, sql: string): AsyncGenerator<SecretRow> {
  for (let last = -1; ; ) {
    const page = await session.query<SecretRow & Record<string, unknown>>(sql, [last]);
    yield* page;
    if (page.length < PAGE_ROWS) return;
    last = Number(page.at(-1)?.id);
  }
}

function opensAll(key: KeyState, tokens: readonly string[]): boolean {
  return key.kind === "keys" && tokens.every((token) => decryptToken(key.keys, token) !== undefined);
}

/** Tries every encrypted value with the keys. What is decrypted is dropped at once. */
export async function readSecrets({ session, key, otherKey }: SideContext): Promise<SecretFacts> {
  const encrypted = { connection: 0, variable: 0 };
  const unreadable: string[] = [];
  let readableByOther = 0;
  for (const { entity, sql } of PLACES) {
    for await (const { name, tokens } of rowsOf(session, sql)) {
      if (tokens.length === 0) continue;
      encrypted[entity] += 1;
      if (opensAll(key, tokens)) continue;
      unreadable.push(`${entity}:${name}`);
      if (opensAll(otherKey, tokens)) readableByOther += 1;
    }
  }
  return { connections: encrypted.connection, variables: encrypted.variable, unreadable, readableByOther };
}

async function checkKey(context: SideContext): Promise<Outcome> {
  const { key, side } = context;
  if (key.kind === "invalid") return { status: "blocker", detail: key.report.what, next: key.report.next };
  const facts = await readSecrets(context);
  const all = facts.connections + facts.variables;
  const amount = `${count(facts.connections, "connection")} and ${count(facts.variables, "variable")}`;
  if (key.kind === "none") {
    if (all === 0) return { status: "note", detail: "no key is given; nothing is encrypted here" };
    return {
      status: "blocker",
      detail: `${amount} are encrypted, and no key is given`,
      next: [`set ${side}.fernetKey in crosswind.yaml to a reference, as \${env:${side.toUpperCase()}_FERNET_KEY}`],
    };
  }
  if (facts.unreadable.length === 0) {
    const detail = all === 0 ? "valid; nothing is encrypted here yet" : `valid; it decrypts ${amount}`;
    return { status: "ok", detail };
  }
  return cannotDecrypt(context, facts, amount);
}

function cannotDecrypt({ side }: SideContext, facts: SecretFacts, amount: string): Outcome {
  const { unreadable: names, readableByOther } = facts;
  const other = side === "source" ? "target" : "source";
  const isSwapped = readableByOther === names.length;
  const detail = `of ${amount} that are encrypted, ${names.length} can not be decrypted with ${side}.fernetKey: ${someOf(names)}`;
  if (isSwapped) {
    return {
      status: "blocker",
      detail: `${detail}. The ${other}'s key decrypts them`,
      next: [`check whether source.fernetKey and target.fernetKey are swapped in crosswind.yaml`],
    };
  }
  const add = `add the key they were encrypted with to ${side}.fernetKey, newest first, separated by commas`;
  if (side === "target") return { status: "warning", detail, next: [add] };
  const without = names.slice(0, 3).map((name) => `--without ${shellWord(name)}`);
  const more = names.length > 3 ? " ..." : "";
  return { status: "blocker", detail, next: [add, `or leave them out: crosswind plan ${without.join(" ")}${more}`] };
}

function shellWord(text: string): string {
  return /^[\w:.@%+=/-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** The keys of both sides against what is encrypted there. */
export const secretChecks: readonly SideCheck[] = [
  { id: "fernet-key", title: "Fernet key", needsRelease: true, run: checkKey },
];
