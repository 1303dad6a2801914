// A copy to a target on MySQL and MariaDB, beside `mysqldump | mariadb` of the rows that it wrote.
//
//     node bench/upload.ts --server postgresql://postgres@localhost:5432/postgres [--runs 100] [--on MariaDB,MySQL]
//
// 100 runs make 0.29M rows, 100,000 task instances among them. MariaDB: root without a password on 127.0.0.1:3306, or one of its own.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { dropDatabase, emptyDatabase, query, withDatabase } from "../test/airflow/support/databases.ts";
import { fitForMariadb } from "../test/support/fit-for-mariadb.ts";
import { type MariadbServer, mariadbServer, type TestMariadb } from "../test/support/mariadb.ts";
import { aMariadbTarget } from "../test/support/mariadb-target.ts";
import { newestServer } from "../test/support/newest-servers.ts";
import { runCli } from "../test/support/run-cli.ts";
import { hasProgram, runProgram, timed } from "./contender.ts";
import { describeMachine } from "./machine.ts";
import { benchFernetKey, benchSource, cloneDatabase } from "./source.ts";

const { values: args } = parseArgs({
  options: {
    server: { type: "string", default: "postgresql://postgres@localhost:5432/postgres" },
    runs: { type: "string", default: "100" },
    on: { type: "string", default: "MariaDB,MySQL" },
  },
});
const { server } = args;
const FITTED = `crosswind_bench_fitted_${args.runs}`;
const STATE = "crosswind_bench_state";
const PROBE = new URL("memory-probe.mjs", import.meta.url).href;
const LIMIT_MS = 7_200_000;

const OPEN: Readonly<Record<string, () => Promise<MariadbServer>>> = {
  MariaDB: mariadbServer,
  MySQL: () => newestServer("MySQL"),
};

/** The generated source with values that MySQL has a place for; made once per server. */
async function fittedSource(): Promise<string> {
  const name = await benchSource({ serverUrl: server, runs: Number(args.runs), finishedOnly: true });
  const there = await query(server, "select 1 from pg_database where datname = $1", [FITTED]);
  if (there.length > 0) return withDatabase(server, FITTED);
  const draft = `${FITTED}_draft`;
  const url = await cloneDatabase(server, name, draft);
  await fitForMariadb({ query: async (sql) => await query(url, sql) });
  await query(server, `alter database "${draft}" rename to "${FITTED}"`);
  return withDatabase(server, FITTED);
}

interface EventLine {
  readonly at: string;
  readonly kind: string;
  readonly phase?: string;
  readonly table?: string;
  readonly rows?: number;
}

interface Figures {
  readonly seconds: number;
  readonly uploadSeconds: number;
  readonly rows: number;
  readonly residentMb: number;
}

/** Plan and apply through the command line. */
async function apply(source: string, target: TestMariadb): Promise<Figures> {
  await using state = await emptyDatabase(server, STATE);
  const folder = await mkdtemp(join(tmpdir(), "crosswind-bench-"));
  const env = {
    CROSSWIND_SOURCE_DATABASE: source,
    CROSSWIND_SOURCE_FERNET_KEY: await benchFernetKey(),
    CROSSWIND_TARGET_DATABASE: target.url,
    CROSSWIND_TARGET_FERNET_KEY: await benchFernetKey(),
    CROSSWIND_STATE: state.url,
    CROSSWIND_STAGING: server,
    BENCH_PROBE: join(folder, "probe.json"),
    NODE_OPTIONS: `--import=${PROBE}`,
  };
  const command = async (given: readonly string[]) => {
    const ran = await runCli(given, { cwd: folder, env, timeoutMs: LIMIT_MS });
    if (ran.code !== 0) throw new Error(`crosswind ${given.join(" ")}: ${ran.stdout}${ran.stderr.slice(-3000)}`);
    return ran.stderr;
  };
  try {
    await writeFile(join(folder, "crosswind.yaml"), "");
    await command(["plan", "--output", "p.json"]);
    let said = "";
    const seconds = await timed(server, async () => {
      said = await command(["apply", "p.json", "--json"]);
    });
    const events = said.split("\n").flatMap((text) => (text.startsWith("{") ? [JSON.parse(text) as EventLine] : []));
    const uploaded = events.filter(({ kind }) => kind === "uploaded");
    const begun = Date.parse(events.find(({ phase }) => phase === "upload")?.at ?? "");
    const { maxResidentMb } = JSON.parse(await readFile(env.BENCH_PROBE, "utf8")) as { readonly maxResidentMb: number };
    return {
      seconds,
      uploadSeconds: (Date.parse(uploaded.at(-1)?.at ?? "") - begun) / 1000,
      rows: uploaded.reduce((sum, each) => sum + (each.rows ?? 0), 0),
      residentMb: maxResidentMb,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The same rows by what comes with the server. */
async function dump({ port }: MariadbServer, target: TestMariadb): Promise<number | undefined> {
  if (!(await hasProgram("mysqldump")) || !(await hasProgram("mariadb"))) return undefined;
  const peer = `${target.name}_peer`;
  await target.query(`create database ${peer} character set utf8mb4 collate utf8mb4_unicode_ci`);
  const login = `-h127.0.0.1 -P${port} -uroot`;
  const pipe = `mysqldump ${login} --single-transaction ${target.name} | mariadb ${login} ${peer}`;
  const seconds = await timed(server, () => runProgram("bash", ["-o", "pipefail", "-c", pipe]));
  await target.query(`drop database ${peer}`);
  return seconds;
}

function line(what: string, rows: number, seconds: number, more = ""): void {
  const rate = Math.round(rows / seconds).toLocaleString("en-US");
  console.log(`  ${what.padEnd(28)} ${seconds.toFixed(1).padStart(7)} s  ${rate.padStart(9)} rows/s  ${more}`);
}

async function runOn(product: string, source: string): Promise<void> {
  const open = OPEN[product];
  if (open === undefined) throw new Error(`--on takes ${Object.keys(OPEN).join(", ")}`);
  await using running = await open();
  await using target = await aMariadbTarget(running);
  const [version] = await target.query("select version() as version, @@global.local_infile as files");
  const own = await apply(source, target);
  const peer = await dump(running, target);
  const way = String(version?.["files"]) === "1" ? "LOAD DATA" : "INSERT";
  console.log(`\n${product} ${String(version?.["version"])}, ${way}: ${own.rows.toLocaleString("en-US")} rows`);
  line("crosswind apply, all of it", own.rows, own.seconds, `${Math.round(own.residentMb)} MB resident`);
  line("  of it the upload", own.rows, own.uploadSeconds);
  if (peer !== undefined) line("mysqldump | mariadb", own.rows, peer);
}

const source = await fittedSource();
console.log(JSON.stringify(await describeMachine(server)));
for (const product of args.on.split(",")) await runOn(product, source);
await dropDatabase(server, STATE);
