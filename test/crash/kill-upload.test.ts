import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseFernetKeys } from "../../src/airflow/codecs/index.ts";
import { stagingName } from "../../src/databases/staging/staging.ts";
import { Secret } from "../../src/domain/secret.ts";
import type { Row } from "../../src/ports/database.ts";
import { aFernetKey, anEnvironment, type OpenDatabase } from "../support/an-environment.ts";
import { compareWithMariadb } from "../support/compare-mariadb.ts";
import { freshDatabase } from "../support/database.ts";
import { fitForMariadb } from "../support/fit-for-mariadb.ts";
import { type MariadbServer, mariadbServer } from "../support/mariadb.ts";
import { aMariadbTarget, aMariadbTargetEnvironment } from "../support/mariadb-target.ts";
import type { CliOptions } from "../support/run-cli.ts";
import { largeSource, problemOf, randomNumbers, seedOfRun, signalAt } from "./migration.ts";

/** Points that a random moment seldom hits: the first line of progress that matches, and how many of the kind are let through. */
const NAMED = [
  { at: "landing the target", line: /"phase":"landing"/, after: 0 },
  { at: "the copy into the mirror", line: /"kind":"chunk","entity":"task_instance"/, after: 0 },
  { at: "the end of the copy", line: /"phase":"finish"/, after: 0 },
  { at: "the beginning of the upload", line: /"phase":"upload"/, after: 0 },
  { at: "the first uploaded chunk", line: /"kind":"uploaded"/, after: 0 },
  { at: "the first uploaded task instances", line: /"kind":"uploaded","table":"task_instance"/, after: 0 },
] as const;
const RANDOM = 6;
/** Shares of an undisturbed upload; past this one it may have ended. */
const LATEST = 0.95;

const key = aFernetKey();
const keys = parseFernetKeys(new Secret(key));
const random = randomNumbers(seedOfRun());

async function connected(url: string): Promise<Pick<OpenDatabase, "query"> & AsyncDisposable> {
  const client = new Client({ connectionString: url });
  await client.connect();
  return {
    query: async <R extends Row>(sql: string, values: readonly unknown[] = []) =>
      (await client.query<R>(sql, [...values])).rows,
    [Symbol.asyncDispose]: () => client.end(),
  };
}

/** Kills the command so long after the upload began. */
function killedAfter(ms: number): Pick<CliOptions, "onStderrLine"> {
  return {
    onStderrLine: (line, send) => {
      if (/"phase":"upload"/.test(line)) setTimeout(() => send("SIGKILL"), ms);
    },
  };
}

describe("an upload to MariaDB that is killed goes on to the same target", () => {
  const resources = new AsyncDisposableStack();
  let server: MariadbServer;
  let source: string;
  let reference: string;
  let uploadMs: number;

  beforeAll(async () => {
    server = resources.use(await mariadbServer());
    const { template } = await largeSource();
    const large = resources.use(await freshDatabase({ template }));
    await using client = await connected(large.url);
    await fitForMariadb(client);
    source = large.url;
    const postgres = resources.use(await anEnvironment({ source: "nothing", target: "airflow-2.10.5-empty" }));
    reference = postgres.target.url;
    await postgres.plan([], { env: variables() });
    const applied = await postgres.apply([], { env: variables() });
    expect(applied.code, problemOf(applied)).toBe(0);
    uploadMs = await undisturbed();
  }, 400_000);
  afterAll(() => resources.disposeAsync());

  function variables() {
    return { SOURCE_DATABASE_URL: source, TARGET_FERNET_KEY: key };
  }

  async function begun(own: AsyncDisposableStack) {
    const target = own.use(await aMariadbTarget(server));
    const environment = own.use(await aMariadbTargetEnvironment(target, { source: "nothing" }));
    const planned = await environment.plan([], { env: variables() });
    expect(planned.code, planned.output).toBe(0);
    return { target, environment };
  }

  /** How long an upload takes that nobody kills, in milliseconds; it ends with an equal target. */
  async function undisturbed(): Promise<number> {
    await using own = new AsyncDisposableStack();
    const { target, environment } = await begun(own);
    let began = 0;
    const applied = await environment.apply([], {
      env: variables(),
      onStderrLine: (line) => {
        if (/"phase":"upload"/.test(line)) began = performance.now();
      },
    });
    expect(applied.code, problemOf(applied)).toBe(0);
    const took = performance.now() - began;
    expect(await compareWithMariadb(reference, target, keys)).toEqual([]);
    return took;
  }

  async function killed(kills: readonly Pick<CliOptions, "onStderrLine">[]): Promise<readonly string[]> {
    await using own = new AsyncDisposableStack();
    const { target, environment } = await begun(own);
    for (const kill of kills) {
      const result = await environment.apply([], { env: variables(), ...kill });
      expect([result.signal, result.code], problemOf(result)).toContain(result.code === 0 ? 0 : "SIGKILL");
    }
    const result = await environment.apply([], { env: variables() });
    expect(result.code, problemOf(result)).toBe(0);
    return await compareWithMariadb(reference, target, keys);
  }

  test.for(NAMED)("killed at $at", async ({ line, after }) => {
    expect(await killed([{ onStderrLine: signalAt(line, "SIGKILL", after) }])).toEqual([]);
  });

  test("killed, with its staging lost: a new plan goes on from what is there", async () => {
    await using own = new AsyncDisposableStack();
    const { target, environment } = await begun(own);
    const line = /"kind":"uploaded","table":"task_instance"/;
    await environment.apply([], { env: variables(), onStderrLine: signalAt(line, "SIGKILL") });
    for (const { name } of await environment.state.query<{ name: string }>(
      "select datname as name from pg_database where datname like 'crosswind_landed_%_run_%' and starts_with(datname, $1)",
      [stagingName({ source: target.url.replace(/^mysql\+pymysql:\/\/([^:]+):[^@]*@/, "mysql://$1@") })],
    )) {
      await environment.state.query(`drop database "${name}" with (force)`);
    }

    const refused = await environment.apply([], { env: variables() });
    const planned = await environment.plan([], { env: variables() });
    const applied = await environment.apply([], { env: variables() });

    expect(problemOf(refused)).toBe("TARGET_MIRROR_LOST");
    expect(planned.code, planned.output).toBe(0);
    expect(applied.code, problemOf(applied)).toBe(0);
    expect(await compareWithMariadb(reference, target, keys)).toEqual([]);
  });

  const moments = Array.from({ length: RANDOM }, (_, index) => ({
    number: index + 1,
    shares: index % 2 === 0 ? [random() * LATEST] : [random() * LATEST, random() * LATEST],
  }));

  test.for(moments)("killed at random moment $number of the upload", async ({ shares }) => {
    expect(await killed(shares.map((share) => killedAfter(share * uploadMs)))).toEqual([]);
  });
});
