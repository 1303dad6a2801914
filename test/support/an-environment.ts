import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { expect } from "vitest";
import { loadFixture } from "../../src/databases/postgres/load-fixture.ts";
import type { Finding } from "../../src/domain/finding.ts";
import type { Plan, PlannedEntity } from "../../src/domain/plan.ts";
import type { ProblemReport } from "../../src/domain/problem.ts";
import type { Row } from "../../src/ports/database.ts";
import { freshDatabase, type TestDatabase, templateDatabase } from "./database.ts";
import { type CliOptions, type CliResult, runCli } from "./run-cli.ts";

const FIXTURES = join(import.meta.dirname, "../fixtures");

/** A recorded database (test/fixtures), or one without any table. */
export type Fixture = "airflow-2.10.5" | "airflow-2.10.5-empty" | "airflow-3.3.2-empty" | "nothing";

/** A database on the test cluster that a test may ask and change, as superuser. */
export interface OpenDatabase extends TestDatabase {
  query<R extends Row = Row>(sql: string, values?: readonly unknown[]): Promise<readonly R[]>;
  /** The same database as another role. */
  urlAs(role: string, password: string): string;
}

/** What a command printed, and the document on standard output where `--json` was given. */
export interface Ran extends CliResult {
  readonly output: string;
  /** The output on one line, as if nothing had been wrapped. */
  readonly text: string;
  readonly problem: ProblemReport | undefined;
  readonly plan: Plan | undefined;
  readonly json: Readonly<Record<string, unknown>>;
}

/** Two databases, a state database and a folder with a configuration; all of it goes at the end of the scope. */
export interface Environment extends AsyncDisposable {
  readonly folder: string;
  readonly source: OpenDatabase;
  readonly target: OpenDatabase;
  readonly state: OpenDatabase;
  /** Variables that the configuration refers to; a command may be given others. */
  readonly variables: Readonly<Record<string, string>>;
  /** Runs the command line in the folder. */
  run(args: readonly string[], options?: Partial<CliOptions>): Promise<Ran>;
  /** `crosswind plan --json`, with its plan and its findings at hand. */
  plan(args?: readonly string[], options?: Partial<CliOptions>): Promise<Planned>;
  /** `crosswind apply --json`. */
  apply(args?: readonly string[], options?: Partial<CliOptions>): Promise<Ran>;
  writeConfig(text: string): Promise<void>;
}

export interface Planned extends Ran {
  readonly findings: readonly Finding[];
  readonly blockers: readonly Finding[];
  finding(code: string): Finding | undefined;
  entity(id: string): PlannedEntity;
}

export interface EnvironmentOptions {
  readonly source?: Fixture;
  readonly target?: Fixture;
  /** Default: the state is kept in a database of its own on the test cluster; `embedded`: in `.crosswind/` of the folder. */
  readonly state?: "cluster" | "embedded";
  /** Databases to copy instead of fixtures. */
  readonly templates?: { readonly source: string; readonly target: string };
  /** Default: a key of its own. */
  readonly targetKey?: string;
  /** More lines of `crosswind.yaml`. */
  readonly config?: string;
}

/** The key of the secrets in the recorded source. */
export async function recordedFernetKey(): Promise<string> {
  return (await readFile(join(FIXTURES, "fernet.key"), "utf8")).trim();
}

/** A usable Fernet key that nobody else has. */
export function aFernetKey(): string {
  return randomBytes(32).toString("base64").replaceAll("+", "-").replaceAll("/", "_");
}

/** Makes a pair of environments. Default: the recorded 2.10.5 that ran, and an empty 3.3.2 with a key of its own. */
export async function anEnvironment(options: EnvironmentOptions = {}): Promise<Environment> {
  await using resources = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "crosswind-test-"));
  resources.defer(() => rm(folder, { recursive: true, force: true }));
  const { templates, source: from = "airflow-2.10.5", target: to = "airflow-3.3.2-empty" } = options;
  const source = resources.use(await openCopy(templates?.source ?? (await templateOf(from))));
  const target = resources.use(await openCopy(templates?.target ?? (await templateOf(to))));
  const state = resources.use(await openCopy(undefined));
  const variables = {
    SOURCE_DATABASE_URL: source.url,
    TARGET_DATABASE_URL: target.url,
    STATE_DATABASE_URL: state.url,
    SOURCE_FERNET_KEY: await recordedFernetKey(),
    TARGET_FERNET_KEY: options.targetKey ?? aFernetKey(),
  };
  const writeConfig = (text: string) => writeFile(join(folder, "crosswind.yaml"), text);
  await writeConfig(configText(options));
  const run = async (args: readonly string[], given: Partial<CliOptions> = {}): Promise<Ran> =>
    ran(args, await runCli(args, { cwd: folder, timeoutMs: 100_000, ...given, env: { ...variables, ...given.env } }));
  const kept = resources.move();
  return {
    folder,
    source,
    target,
    state,
    variables,
    run,
    plan: async (args = [], given = {}) => planned(await run(["plan", "--json", ...args], given)),
    apply: (args = [], given = {}) => run(["apply", "--json", ...args], given),
    writeConfig,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** A role of a test's own; dropped with everything it was granted in the given databases. */
export async function aRole(
  databases: readonly OpenDatabase[],
): Promise<AsyncDisposable & { readonly name: string; readonly password: string }> {
  const [name, password] = [`test_role_${randomBytes(4).toString("hex")}`, randomBytes(12).toString("hex")];
  await databases[0]?.query(`create role ${name} login password '${password}'`);
  return {
    name,
    password,
    [Symbol.asyncDispose]: async () => {
      for (const database of databases) await database.query(`drop owned by ${name}`);
      await databases[0]?.query(`drop role ${name}`);
    },
  };
}

function configText({ state = "cluster", config = "" }: EnvironmentOptions): string {
  return [
    "source:",
    "  database: ${env:SOURCE_DATABASE_URL}",
    "  fernetKey: ${env:SOURCE_FERNET_KEY}",
    "target:",
    "  database: ${env:TARGET_DATABASE_URL}",
    "  fernetKey: ${env:TARGET_FERNET_KEY}",
    ...(state === "cluster" ? ["state: ${env:STATE_DATABASE_URL}"] : []),
    config,
    "",
  ].join("\n");
}

async function openCopy(template: string | undefined): Promise<OpenDatabase> {
  const database = await freshDatabase(template === undefined ? {} : { template });
  const query = async <R extends Row>(sql: string, values: readonly unknown[] = []): Promise<readonly R[]> => {
    // Connected for one statement: an open session of a test would keep the target's indexes on.
    const client = new Client({ connectionString: database.url });
    await client.connect();
    try {
      const result = await client.query<R>(sql, [...values]);
      return result.rows;
    } finally {
      await client.end();
    }
  };
  const urlAs = (role: string, password: string): string => {
    const url = new URL(database.url);
    Object.assign(url, { username: role, password });
    return url.href;
  };
  return { ...database, query, urlAs };
}

async function templateOf(fixture: Fixture): Promise<string | undefined> {
  if (fixture === "nothing") return undefined;
  const path = join(FIXTURES, `${fixture}.sql.gz`);
  const hash = createHash("sha256")
    .update(await readFile(path))
    .digest("hex")
    .slice(0, 8);
  const name = `${fixture.replaceAll(/[^a-z0-9]/g, "_")}_${hash}`;
  return await templateDatabase(name, (url) => loadFixture(url, path));
}

function ran(args: readonly string[], result: CliResult): Ran {
  const isJson = args.includes("--json") && result.stdout.startsWith("{");
  const json = (isJson ? JSON.parse(result.stdout) : {}) as Record<string, unknown>;
  const output = `${result.stdout}\n${result.stderr}`;
  return {
    ...result,
    output,
    text: output.replaceAll(/\s+/g, " "),
    json,
    problem: json["problem"] as ProblemReport | undefined,
    plan: json["plan"] as Plan | undefined,
  };
}

function planned(result: Ran): Planned {
  const findings = result.plan?.findings ?? [];
  return {
    ...result,
    findings,
    blockers: findings.filter((each) => each.severity === "blocker"),
    finding: (code) => findings.find((each) => each.code === code),
    entity: (id) => {
      const found = result.plan?.entities.find((each) => each.entity === id);
      if (found === undefined) throw new Error(`the plan has no ${id}: ${result.output}`);
      return found;
    },
  };
}

/** Plans, applies and verifies, each without a word of complaint. */
export async function migrate(environment: Environment, env: Readonly<Record<string, string>> = {}): Promise<void> {
  const steps = [
    () => environment.plan([], { env }),
    () => environment.apply([], { env }),
    () => environment.run(["verify", "--json"], { env }),
  ];
  for (const step of steps) {
    const { code, output } = await step();
    expect(code, output).toBe(0);
  }
}
