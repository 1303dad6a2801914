import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { decryptToken, type FernetKeys } from "../../src/airflow/codecs/index.ts";
import { identifier } from "../../src/engine/translate/translate.ts";

/** Ids that a target gives by itself; a rolled back statement leaves a gap in them. */
const NUMBERED_BY_TARGET: ReadonlySet<string> = new Set([
  "connection.id",
  "variable.id",
  "slot_pool.id",
  "log_template.id",
  "asset.id",
  "ab_user.id",
  "ab_role.id",
  "ab_user_role.id",
  "ab_permission.id",
  "ab_view_menu.id",
  "ab_permission_view.id",
  "ab_permission_view_role.id",
]);

const PERMISSION = `(select row(p.name, m.name) from ab_permission_view v join ab_permission p on p.id = v.permission_id
  join ab_view_menu m on m.id = v.view_menu_id where v.id = t.permission_view_id)`;
const NAME_OF_USER = (id: string) => `(select u.username from ab_user u where u.id::text = t.${id}::text)`;

/** Columns that refer to such an id, as what they refer to. */
const REFERENCES: Readonly<Record<string, string>> = {
  "dag_run.log_template_id":
    "(select row(l.filename, l.elasticsearch_id) from log_template l where l.id = t.log_template_id)",
  "asset_event.asset_id": "(select row(a.name, a.uri, a.group) from asset a where a.id = t.asset_id)",
  "ab_user.created_by_fk": NAME_OF_USER("created_by_fk"),
  "ab_user.changed_by_fk": NAME_OF_USER("changed_by_fk"),
  "ab_user_role.user_id": NAME_OF_USER("user_id"),
  "ab_user_role.role_id": "(select r.name from ab_role r where r.id = t.role_id)",
  "ab_permission_view.permission_id": "(select p.name from ab_permission p where p.id = t.permission_id)",
  "ab_permission_view.view_menu_id": "(select m.name from ab_view_menu m where m.id = t.view_menu_id)",
  "ab_permission_view_role.permission_view_id": PERMISSION,
  "ab_permission_view_role.role_id": "(select r.name from ab_role r where r.id = t.role_id)",
  "dag_run_note.user_id": NAME_OF_USER("user_id"),
  "task_instance_note.user_id": NAME_OF_USER("user_id"),
};

/** Encrypted with a random IV each time: compared by what they say. By table: its key and its secrets. */
const SECRETS = {
  connection: { key: "conn_id", columns: ["password", "extra"] },
  variable: { key: "key", columns: ["val"] },
} as const satisfies Readonly<Record<string, { readonly key: string; readonly columns: readonly string[] }>>;

const MOST_EXAMPLES = 3;
/** A server notices within this time that its client was killed. */
const SESSIONS_END_MS = 5000;

interface Table {
  readonly name: string;
  /** Expressions over `t`, by column. */
  readonly columns: Readonly<Record<string, string>>;
  readonly rows: number;
  readonly digest: string;
}

/**
 * Compares two targets of the same copy: every table of `public` row by row and column by column, secrets after decryption, indexes and
 * constraints by definition. Sequences of `actual` must stand at or above those of `reference`. And `actual` must be left clean: nothing
 * taken off, no session of ours, no lock.
 *
 * @param keys the Fernet keys of both targets
 * @returns a sentence per difference; none when they are equal
 */
export async function compareTargets(reference: string, actual: string, keys: FernetKeys): Promise<readonly string[]> {
  await using a = await connected(reference);
  await using b = await connected(actual);
  const [ours, theirs] = await Promise.all([readTables(b.client), readTables(a.client)]);
  const tables: string[] = [];
  for (const name of new Set([...ours.keys(), ...theirs.keys()])) {
    tables.push(
      ...(await compareTable(
        name,
        { client: a.client, table: theirs.get(name) },
        { client: b.client, table: ours.get(name) },
      )),
    );
  }
  return [
    ...tables,
    ...(await compareSecrets(a.client, b.client, keys)),
    ...compareLists("definition", await readDefinitions(a.client), await readDefinitions(b.client)),
    ...compareSequences(await readSequences(a.client), await readSequences(b.client)),
    ...(await leftBehind(b.client)),
  ];
}

async function connected(url: string): Promise<AsyncDisposable & { readonly client: Client }> {
  const client = new Client({ connectionString: url, options: "-c TimeZone=UTC -c search_path=public" });
  await client.connect();
  return { client, [Symbol.asyncDispose]: () => client.end() };
}

async function readTables(client: Client): Promise<ReadonlyMap<string, Table>> {
  const { rows } = await client.query<{ name: string; columns: readonly string[] }>(
    `select c.relname as name, array_agg(a.attname::text order by a.attnum) as columns from pg_class c
     join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace group by 1 order by 1`,
  );
  const tables = new Map<string, Table>();
  for (const { name, columns } of rows) {
    const expressions = Object.fromEntries(columns.flatMap((column) => comparedColumn(name, column)));
    const { rows: digests } = await client.query<{ rows: string; digest: string }>(
      `select count(*) as rows, concat(sum(hashtextextended(r, 0)), ' ', sum(hashtextextended(r, 1))) as digest
       from (${rowTexts(name, expressions)}) texts`,
    );
    tables.set(name, { name, columns: expressions, rows: Number(digests[0]?.rows), digest: digests[0]?.digest ?? "" });
  }
  return tables;
}

function comparedColumn(table: string, column: string): readonly (readonly [string, string])[] {
  const name = `${table}.${column}`;
  const secrets: Readonly<Record<string, { readonly columns: readonly string[] }>> = SECRETS;
  if (NUMBERED_BY_TARGET.has(name) || secrets[table]?.columns.includes(column)) return [];
  return [[column, REFERENCES[name] ?? `t.${identifier(column)}`]];
}

/** A row's text tells NULL from an empty value, and where a value ends. */
function rowTexts(table: string, columns: Readonly<Record<string, string>>): string {
  return `select row(${Object.values(columns).join(", ")})::text as r from ${identifier(table)} t`;
}

interface Side {
  readonly client: Client;
  readonly table: Table | undefined;
}

async function compareTable(name: string, a: Side, b: Side): Promise<readonly string[]> {
  if (a.table === undefined || b.table === undefined) return [`table ${name} is there on one side only`];
  if (Object.keys(a.table.columns).join() !== Object.keys(b.table.columns).join()) return [`columns of ${name} differ`];
  if (a.table.digest === b.table.digest && a.table.rows === b.table.rows) return [];
  const [missing, added] = await differingRows(a, b);
  const examples = missing.slice(0, MOST_EXAMPLES).map((row) => `${name}: ${describeDifference(row, added)}`);
  const more = added
    .slice(0, missing.length === 0 ? MOST_EXAMPLES : 0)
    .map((row) => `${name}: too many: ${JSON.stringify(row)}`);
  return [
    `${name}: ${a.table.rows} rows, not ${b.table.rows}; ${missing.length} are missing, ${added.length} should not be there`,
    ...examples,
    ...more,
  ];
}

type RowText = Readonly<Record<string, string | null>>;

/** The rows that only one side has, in both directions; a row that is there twice is one too many. */
async function differingRows(a: Side, b: Side): Promise<readonly [readonly RowText[], readonly RowText[]]> {
  const [inA, inB] = [await readRows(a), await readRows(b)];
  const only = (rows: readonly RowText[], others: readonly RowText[]) => {
    const counts = new Map<string, number>();
    for (const row of others) counts.set(JSON.stringify(row), (counts.get(JSON.stringify(row)) ?? 0) + 1);
    return rows.filter((row) => {
      const left = counts.get(JSON.stringify(row)) ?? 0;
      counts.set(JSON.stringify(row), left - 1);
      return left <= 0;
    });
  };
  return [only(inA, inB), only(inB, inA)];
}

async function readRows({ client, table }: Side): Promise<readonly RowText[]> {
  if (table === undefined) return [];
  const list = Object.entries(table.columns).map(
    ([column, expression]) => `(${expression})::text as ${identifier(column)}`,
  );
  return (await client.query<RowText>(`select ${list.join(", ")} from ${identifier(table.name)} t`)).rows;
}

/** Column by column against the row that has most in common with it. */
function describeDifference(row: RowText, others: readonly RowText[]): string {
  const differing = (other: RowText) => Object.keys(row).filter((column) => row[column] !== other[column]);
  const [nearest] = others.slice(0, 1000).sort((one, two) => differing(one).length - differing(two).length);
  const columns = nearest === undefined ? [] : differing(nearest);
  if (nearest === undefined || columns.length > Object.keys(row).length / 2) return `missing: ${JSON.stringify(row)}`;
  const values = columns.map((column) => `${column} is ${nearest[column]}, not ${row[column]}`);
  return `${values.join("; ")} in ${JSON.stringify(row)}`;
}

async function compareSecrets(a: Client, b: Client, keys: FernetKeys): Promise<readonly string[]> {
  const differences: string[] = [];
  for (const [table, { key, columns }] of Object.entries(SECRETS)) {
    const sql = `select ${key} as key, ${columns.join(", ")} from ${table} order by 1`;
    const [expected, found] = [await a.query<RowText>(sql), await b.query<RowText>(sql)];
    const plain = (row: RowText, column: string) => {
      const value = row[column];
      return value == null || value === "" ? value : decrypted(value, keys);
    };
    const say = (row: RowText) => JSON.stringify([row["key"], ...columns.map((column) => plain(row, column))]);
    differences.push(...compareLists(`secret of ${table}`, expected.rows.map(say), found.rows.map(say)));
  }
  return differences;
}

/** Plain where `is_encrypted` says so, which is compared with the rest of the row. */
function decrypted(value: string, keys: FernetKeys): string {
  const plain = decryptToken(keys, value)?.plain;
  return plain === undefined ? `plain ${value}` : `decrypted ${plain.toString()}`;
}

/** Without NOT NULL (`n`): since PostgreSQL 18 it is listed with the constraints. */
async function readDefinitions(client: Client): Promise<readonly string[]> {
  const { rows } = await client.query<{ definition: string }>(
    `select concat(pg_get_indexdef(x.indexrelid), case when x.indisvalid then '' else ' INVALID' end) as definition
     from pg_index x join pg_class i on i.oid = x.indexrelid where i.relnamespace = 'public'::regnamespace
     union all
     select concat(o.conrelid::regclass, ' ', o.conname, ' ', pg_get_constraintdef(o.oid)) from pg_constraint o
     where o.connamespace = 'public'::regnamespace and o.contype <> 'n' order by 1`,
  );
  return rows.map((row) => row.definition);
}

function compareLists(what: string, expected: readonly string[], found: readonly string[]): readonly string[] {
  const [known, here] = [new Set(expected), new Set(found)];
  const repeated = found.filter((each, index) => found.indexOf(each) !== index);
  return [
    ...expected.filter((each) => !here.has(each)).map((each) => `${what} is missing: ${each}`),
    ...found.filter((each) => !known.has(each)).map((each) => `${what} should not be there: ${each}`),
    ...repeated.map((each) => `${what} is there twice: ${each}`),
  ];
}

async function readSequences(client: Client): Promise<ReadonlyMap<string, bigint>> {
  const { rows } = await client.query<{ name: string; last: string }>(
    "select sequencename as name, coalesce(last_value, 0) as last from pg_sequences where schemaname = 'public'",
  );
  return new Map(rows.map((row) => [row.name, BigInt(row.last)]));
}

function compareSequences(
  expected: ReadonlyMap<string, bigint>,
  found: ReadonlyMap<string, bigint>,
): readonly string[] {
  return [...expected].flatMap(([name, last]) => {
    const here = found.get(name);
    return here !== undefined && here >= last ? [] : [`sequence ${name} stands at ${here}, below ${last}`];
  });
}

/** What an ended apply must not leave in its target. */
async function leftBehind(client: Client): Promise<readonly string[]> {
  const { rows: off } = await client.query<{ name: string }>(
    "select name from crosswind.taken_off where restored_at is null",
  );
  const { rows: prepared } = await client.query<{ gid: string }>(
    "select gid from pg_prepared_xacts where database = current_database()",
  );
  return [
    ...off.map((row) => `${row.name} was taken off and not put back`),
    ...prepared.map((row) => `transaction ${row.gid} is prepared`),
    ...(await sessionsThatStay(client)),
  ];
}

async function sessionsThatStay(client: Client): Promise<readonly string[]> {
  const deadline = performance.now() + SESSIONS_END_MS;
  for (;;) {
    const { rows } = await client.query<{ who: string; locks: string }>(
      `select a.application_name || ' ' || a.state as who, (select count(*) from pg_locks l where l.pid = a.pid) as locks
       from pg_stat_activity a where a.datname = current_database() and a.application_name like 'crosswind %'`,
    );
    if (rows.length === 0) return [];
    if (performance.now() > deadline) return rows.map((row) => `session "${row.who}" stays, with ${row.locks} locks`);
    await sleep(50);
  }
}
