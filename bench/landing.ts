// Landing of a SQLite file and of a MariaDB database, beside the tools that bring them into another database.
//
//     node bench/landing.ts --server postgresql://postgres@localhost:5432/postgres [--runs 345]
//
// 345 runs make 1M rows. MariaDB: root without a password on 127.0.0.1:3306, or one of its own.
import { spawn } from "node:child_process";
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openRawSource } from "../src/databases/raw.ts";
import { openStaging } from "../src/databases/staging/staging.ts";
import { Secret } from "../src/domain/secret.ts";
import { land } from "../src/engine/land/land.ts";
import { dropDatabase, emptyDatabase, query, withDatabase } from "../test/airflow/support/databases.ts";
import { aSqlite } from "../test/support/a-sqlite.ts";
import { aMariadb, mariadbServer, type TestMariadb } from "../test/support/mariadb.ts";
import { hasProgram, runProgram, timed } from "./contender.ts";
import { describeMachine } from "./machine.ts";
import { benchSource } from "./source.ts";

const { values: args } = parseArgs({
  options: { server: { type: "string" }, runs: { type: "string", default: "345" }, land: { type: "string" } },
});
const server = args.server ?? "postgresql://postgres@localhost:5432/postgres";
const PEER = "crosswind_bench_peer";

interface Figure {
  readonly what: string;
  readonly seconds: number;
  readonly residentMb?: number;
}

/** Lands a source into a new staging database of the server. Gives its name. */
async function landed(source: string, keep = false): Promise<{ readonly name: string; readonly rows: number }> {
  const raw = openRawSource({ url: new Secret(source), name: "source", folder: tmpdir() });
  if (raw === undefined) throw new Error("not a source that is landed");
  let rows = 0;
  await using staging = await openStaging({
    source: raw.address,
    purpose: "bench",
    server: new Secret(server),
    homeDir: tmpdir(),
  });
  const onEvent = (event: { kind: string; rows?: number }) => {
    if (event.kind === "landed") rows += event.rows ?? 0;
  };
  await land({ source: raw, staging: staging.database, onEvent });
  const name = new URL(staging.url.reveal()).pathname.slice(1);
  await staging[Symbol.asyncDispose]();
  if (!keep) await dropDatabase(server, name);
  return { name, rows };
}

/** In a process of its own, so that its memory is that of a landing. */
async function crosswind(source: string): Promise<Figure & { readonly rows: number }> {
  await query(server, "checkpoint");
  const said = await runProgram(process.execPath, [import.meta.filename, "--server", server, "--land", source]);
  return JSON.parse(said) as Figure & { readonly rows: number };
}

async function landOnly(source: string): Promise<void> {
  let rows = 0;
  const seconds = await timed(server, async () => {
    ({ rows } = await landed(source));
  });
  const residentMb = Math.round(process.resourceUsage().maxRSS / 1024);
  console.log(JSON.stringify({ what: "crosswind", seconds, rows, residentMb }));
}

async function shell(command: string): Promise<void> {
  const child = spawn("bash", ["-o", "pipefail", "-c", command], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = `${said}${text}`.slice(-2000);
  });
  const code = await new Promise((resolve) => child.once("close", resolve));
  if (code !== 0) throw new Error(`${command.slice(0, 60)} ended with ${String(code)}: ${said}`);
}

/** What `sqlite3 .dump` writes fits tables whose booleans are numbers and whose bytes and documents are text; without any index. */
async function looseTables(source: string): Promise<string> {
  const { name } = await landed(source, true);
  const peer = await emptyDatabase(server, PEER);
  const tables = await query<{ ddl: string }>(
    withDatabase(server, name),
    `select format('create unlogged table %I (%s)', c.relname, string_agg(format('%I %s', a.attname,
       case format_type(a.atttypid, null) when 'boolean' then 'integer' when 'bytea' then 'text' when 'json' then 'text' else format_type(a.atttypid, null) end), ', ' order by a.attnum)) as ddl
     from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
     where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace group by c.relname`,
  );
  for (const { ddl } of tables) await query(peer.url, ddl);
  await dropDatabase(server, name);
  return peer.url;
}

async function sqlitePeers(file: string, url: string): Promise<readonly Figure[]> {
  if (!(await hasProgram("sqlite3")) || !(await hasProgram("psql"))) return [];
  const peer = await looseTables(url);
  const pipe = `sqlite3 '${file}' '.dump --data-only --nosys' | sed -E '/^PRAGMA/d; s/,char\\((10|13)\\)\\)/,chr(\\1))/g' | psql -q -v ON_ERROR_STOP=1 '${peer}'`;
  const seconds = await timed(server, () => shell(pipe));
  await dropDatabase(server, PEER);
  return [{ what: "sqlite3 .dump | psql", seconds }];
}

async function mysqldump(database: TestMariadb): Promise<readonly Figure[]> {
  const { name, url } = database;
  if (!(await hasProgram("mysqldump")) || !(await hasProgram("mariadb"))) return [];
  const port = new URL(url).port;
  const peer = `${name}_peer`;
  await database.query(`create database ${peer} character set utf8mb4 collate utf8mb4_unicode_ci`);
  const login = `-h127.0.0.1 -P${port} -uroot`;
  const seconds = await timed(server, () =>
    shell(`mysqldump ${login} --single-transaction ${name} | mariadb ${login} ${peer}`),
  );
  await database.query(`drop database ${peer}`);
  return [{ what: "mysqldump | mariadb", seconds }];
}

async function pgloader({ url }: TestMariadb): Promise<readonly Figure[]> {
  if (!(await hasProgram("pgloader"))) return [];
  const peer = await emptyDatabase(server, PEER);
  const file = join(tmpdir(), `${PEER}.load`);
  const from = url.replace("mysql+pymysql://", "mysql://");
  const to = peer.url.replace("postgresql://", "pgsql://");
  await writeFile(
    file,
    `LOAD DATABASE FROM ${from} INTO ${to} WITH create tables, create no indexes, no foreign keys, reset no sequences;\n`,
  );
  const seconds = await timed(server, () => shell(`pgloader '${file}'`));
  await rm(file);
  await dropDatabase(server, PEER);
  return [{ what: "pgloader, without indexes", seconds }];
}

function report(title: string, own: Figure & { readonly rows: number }, peers: readonly Figure[]): void {
  console.log(`\n${title}: ${own.rows.toLocaleString("en-US")} rows`);
  for (const each of [own, ...peers]) {
    const rate = Math.round(own.rows / each.seconds).toLocaleString("en-US");
    const ratio =
      each === own ? `${own.residentMb} MB resident` : `${(each.seconds / own.seconds).toFixed(1)} times as long`;
    console.log(
      `  ${each.what.padEnd(28)} ${each.seconds.toFixed(1).padStart(7)} s  ${rate.padStart(9)} rows/s  ${ratio}`,
    );
  }
}

async function main(): Promise<void> {
  const source = await benchSource({ serverUrl: server, runs: Number(args.runs), finishedOnly: false });
  console.log(JSON.stringify(await describeMachine(server)));
  const from = withDatabase(server, source);
  {
    await using sqlite = await aSqlite(from);
    report("SQLite", await crosswind(sqlite.url), await sqlitePeers(sqlite.file, sqlite.url));
  }
  await using maria = await mariadbServer();
  await using mariadb = await aMariadb(maria, from);
  report("MariaDB", await crosswind(mariadb.url), [...(await mysqldump(mariadb)), ...(await pgloader(mariadb))]);
}

await (args.land === undefined ? main() : landOnly(args.land));
