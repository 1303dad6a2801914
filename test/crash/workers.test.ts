import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type WorkerEvent, work } from "../../src/app/worker.ts";
import { loadConfig } from "../../src/cli/config/load.ts";
import { compareTargets } from "../support/compare-targets.ts";
import { freshDatabase, type TestDatabase } from "../support/database.ts";
import { type PrivateCluster, privateCluster, whyNoPrivateCluster } from "../support/private-cluster.ts";
import { type CliResult, runCli } from "../support/run-cli.ts";
import { type RunningCli, startCli } from "../support/running-cli.ts";
import {
  aFolder,
  aMigration,
  emptyTarget,
  type Folder,
  largeSource,
  problemOf,
  TARGET_KEY,
  targetKeys,
} from "./migration.ts";

const HISTORY = /"kind":"chunk","entity":"(task_instance|xcom|log|task_fail|task_reschedule|rendered_fields)"/;
const HELPING = /"worker":"helping"/;
const CARRYING = /"worker":"carrying"/;
const WAITING = /"worker":"waiting"/;
const noCluster = whyNoPrivateCluster();

/** Slow enough to be hurt in the middle, whatever machine this is; fast enough not to be waited for. */
const SLOWLY = { CROSSWIND_TARGET_LIMITS_ROWS_PER_SECOND: "12000" };
const ONE_LANE = { CROSSWIND_LANES: "1" };

async function ask<R extends object>(url: string, sql: string): Promise<readonly R[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<R>(sql)).rows;
  } finally {
    await client.end();
  }
}

async function chunksIn(target: string): Promise<number> {
  return (await ask(target, "select 1 from crosswind.chunk")).length;
}

async function indexesOf(target: string): Promise<readonly string[]> {
  const rows = await ask<{ definition: string }>(
    target,
    `select indexdef as definition from pg_indexes where schemaname = 'public'
     union all select conname || ' ' || pg_get_constraintdef(oid) from pg_constraint where connamespace = 'public'::regnamespace order by 1`,
  );
  return rows.map(({ definition }) => definition);
}

describe("several processes on one run", () => {
  const resources = new AsyncDisposableStack();
  const running = new Set<RunningCli>();
  let source: string;
  let template: string;
  let reference: TestDatabase;
  let folder: Folder;

  beforeAll(async () => {
    template = await emptyTarget();
    source = (await largeSource()).url;
    reference = resources.use(await freshDatabase({ template }));
    folder = resources.use(await aFolder());
    await using state = await freshDatabase();
    const migration = aMigration(folder, { source, target: reference.url });
    await migration.plan();
    const result = await migration.apply({ env: { CROSSWIND_STATE: state.url } });
    expect(result, problemOf(result)).toMatchObject({ code: 0 });
  });
  afterAll(() => resources.disposeAsync());
  afterEach(async () => {
    for (const each of running) each.send("SIGKILL");
    running.clear();
  });

  /** A pair of databases with a plan, and a state database that several processes share. */
  async function aRun(scope: AsyncDisposableStack, cluster?: PrivateCluster) {
    const target = scope.use(await freshDatabase({ template }));
    const state = cluster === undefined ? scope.use(await freshDatabase()).url : cluster.url("state");
    const databases = { SOURCE: source, TARGET: target.url, TARGET_KEY, CROSSWIND_STATE: state };
    await aMigration(folder, { source, target: target.url }).plan();
    const plan = `${new URL(target.url).pathname.slice(1)}.plan.json`;
    const command = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
      [[...args, "--json"], { cwd: folder.path, env: { ...databases, ...env } }] as const;
    const start = (args: readonly string[], env?: Readonly<Record<string, string>>) => {
      const started = startCli(...command(args, env));
      running.add(started);
      return started;
    };
    return {
      state,
      target: target.url,
      apply: (env?: Readonly<Record<string, string>>, ...more: readonly string[]) =>
        start(["apply", plan, ...more], env),
      worker: (env?: Readonly<Record<string, string>>) => start(["worker", "--once"], env),
      run: async (...args: readonly string[]) => await runCli(...command(args)),
      differences: () => compareTargets(reference.url, target.url, targetKeys),
    };
  }

  async function expectDone(process: RunningCli): Promise<CliResult> {
    const result = await process.ended;
    expect(result, problemOf(result)).toMatchObject({ code: 0 });
    return result;
  }

  async function idOf(run: (...args: readonly string[]) => Promise<CliResult>): Promise<string> {
    const { stdout } = await run("runs", "list");
    return (JSON.parse(stdout) as { runs: readonly { id: string }[] }).runs[0]?.id ?? "";
  }

  async function auditOf(run: (...args: readonly string[]) => Promise<CliResult>, id: string) {
    const { stdout } = await run("runs", "show", id);
    const shown = JSON.parse(stdout) as { run: { state: string }; audit: readonly { what: string }[] };
    return { state: shown.run.state, what: shown.audit.map((each) => each.what) };
  }

  test("share its chunks, and each row is there once", async () => {
    await using scope = new AsyncDisposableStack();
    const { apply, worker, differences, run } = await aRun(scope);
    const helper = worker(ONE_LANE);
    await helper.until(WAITING);

    const carrier = apply(ONE_LANE);
    await expectDone(carrier);
    const helped = JSON.parse((await expectDone(helper)).stdout) as { chunks: number };

    expect(helped.chunks).toBeGreaterThan(0);
    expect(await auditOf(run, await idOf(run))).toEqual({ state: "done", what: ["carried", "done"] });
    expect(await differences()).toEqual([]);
  });

  test("go on without a worker that is killed", async () => {
    await using scope = new AsyncDisposableStack();
    const { apply, worker, differences } = await aRun(scope);
    const helper = worker();
    await helper.until(WAITING);
    const carrier = apply({ ...SLOWLY, ...ONE_LANE });
    await helper.until(HISTORY);

    helper.send("SIGKILL");

    await expectDone(carrier);
    expect(await differences()).toEqual([]);
  });

  test("go on without the one that carries the run, with no hand", async () => {
    await using scope = new AsyncDisposableStack();
    const { apply, worker, differences } = await aRun(scope);
    const helpers = [worker(ONE_LANE), worker(ONE_LANE)];
    await Promise.all(helpers.map((each) => each.until(WAITING)));
    const carrier = apply(SLOWLY);
    await Promise.all(helpers.map((each) => each.until(HELPING)));
    await helpers[0]?.until(HISTORY);

    carrier.send("SIGKILL");

    await Promise.any(helpers.map((each) => each.until(CARRYING)));
    await Promise.all(helpers.map(expectDone));
    expect(await differences()).toEqual([]);
  });

  test("take over from a stopped one that carries the run, and it does no harm when it wakes", async () => {
    await using scope = new AsyncDisposableStack();
    const { apply, worker, differences } = await aRun(scope);
    const helper = worker();
    await helper.until(WAITING);
    const carrier = apply(SLOWLY);
    await helper.until(HISTORY);

    carrier.send("SIGSTOP");
    await helper.until(CARRYING);
    carrier.send("SIGCONT");
    const woken = await carrier.ended;

    expect([woken.code, problemOf(woken)]).toEqual([1, "RUN_TAKEN_OVER"]);
    await expectDone(helper);
    expect(await differences()).toEqual([]);
  });

  test("take over from a stopped worker, and it does no harm when it wakes", async () => {
    await using scope = new AsyncDisposableStack();
    const { apply, worker, differences } = await aRun(scope);
    const helper = worker();
    await helper.until(WAITING);
    const carrier = apply({ ...SLOWLY, ...ONE_LANE });
    await helper.until(HISTORY);

    helper.send("SIGSTOP");
    await expectDone(carrier);
    const copied = await differences();
    helper.send("SIGCONT");
    await helper.until(/"code":"RUN_TAKEN_OVER"/);

    expect(copied).toEqual([]);
    expect(await differences()).toEqual([]);
  });

  test("begin nothing while the run is paused, and go on when it is resumed", async () => {
    await using scope = new AsyncDisposableStack();
    const { apply, worker, differences, run, target } = await aRun(scope);
    const helper = worker(ONE_LANE);
    await helper.until(WAITING);
    const carrier = apply({ ...SLOWLY, ...ONE_LANE });
    await helper.until(HISTORY);
    const id = await idOf(run);

    await run("runs", "pause", id);
    await Promise.all([carrier, helper].map((each) => each.until(/"kind":"paused","isPaused":true/)));
    await sleep(1500);
    const before = await chunksIn(target);
    await sleep(1500);
    const after = await chunksIn(target);
    await run("runs", "resume", id);

    await expectDone(carrier);
    await expectDone(helper);
    expect(after).toBe(before);
    expect((await auditOf(run, id)).what).toEqual(["carried", "pause", "resume", "done"]);
    expect(await differences()).toEqual([]);
  });

  test("end when the run is cancelled, with every index back, and a plan that is not applied again", async () => {
    await using scope = new AsyncDisposableStack();
    const { apply, worker, run, target } = await aRun(scope);
    const helper = worker();
    await helper.until(WAITING);
    const carrier = apply(SLOWLY);
    await helper.until(HISTORY);
    const id = await idOf(run);

    const cancelled = await run("runs", "cancel", id);
    const [ended] = await Promise.all([carrier.ended, expectDone(helper)]);
    const again = await apply().ended;

    expect(cancelled, problemOf(cancelled)).toMatchObject({ code: 0 });
    expect([problemOf(ended), problemOf(again)]).toEqual(["RUN_CANCELLED", "RUN_CANCELLED"]);
    expect((await auditOf(run, id)).state).toBe("cancelled");
    expect(await indexesOf(target)).toEqual(await indexesOf(reference.url));
  });

  test("show one run where it is applied twice, and the second goes on when the first is killed", async () => {
    await using scope = new AsyncDisposableStack();
    const { apply, differences } = await aRun(scope);
    const first = apply(SLOWLY);
    await first.until(HISTORY);
    const second = apply();
    await second.until(/"kind":"following"/);
    await second.until(HISTORY);

    first.send("SIGKILL");

    await second.until(/"kind":"resumed"/);
    await expectDone(second);
    expect(await differences()).toEqual([]);
  });

  test("do a run that was left to them, and others can watch it", async () => {
    await using scope = new AsyncDisposableStack();
    const { apply, worker, run, differences } = await aRun(scope);

    const left = await apply(SLOWLY, "--detach").ended;
    const helper = worker();
    await helper.until(CARRYING);
    const watched = await run("status", "--follow");

    expect(JSON.parse(left.stdout)).toMatchObject({ state: "waiting" });
    expect(watched.stderr).toMatch(HISTORY);
    await expectDone(helper);
    expect(await differences()).toEqual([]);
  });

  test("of another version take no part, and say so", async () => {
    await using scope = new AsyncDisposableStack();
    const { apply, state, target } = await aRun(scope);
    await apply({}, "--detach").ended;
    const stop = new AbortController();
    const told: WorkerEvent[] = [];
    const { config } = await loadConfig({
      file: join(folder.path, "crosswind.yaml"),
      env: { SOURCE: source, TARGET: target, TARGET_KEY, CROSSWIND_STATE: state },
      cwd: folder.path,
    });

    const worked = await work(config, {
      version: "another",
      actor: { who: "somebody", host: "here" },
      homeDir: folder.path,
      isOnce: true,
      now: () => new Date(),
      signal: stop.signal,
      onEvent: () => {},
      onWorkerEvent: (event) => {
        told.push(event);
        if (event.kind === "problem") stop.abort();
      },
    });

    expect(told).toMatchObject([{ kind: "problem", problem: { code: "RUN_OF_OTHER_VERSION" } }]);
    expect(worked).toEqual({ runs: [], chunks: 0, rows: 0 });
  });

  test("survive the death of their state database", { skip: noCluster !== undefined }, async () => {
    await using scope = new AsyncDisposableStack();
    const cluster = scope.use(await privateCluster());
    await cluster.query("postgres", "create database state");
    const { apply, worker, differences } = await aRun(scope, cluster);
    const helper = worker();
    await helper.until(WAITING);
    const carrier = apply(SLOWLY);
    await helper.until(HISTORY);

    await cluster.stop("immediate");
    const ended = await carrier.ended;
    await helper.until(/"worker":"problem"/);
    await cluster.start();

    expect(problemOf(ended)).toBe("STATE_DATABASE_LOST");
    await helper.until(CARRYING);
    await expectDone(helper);
    expect(await differences()).toEqual([]);
  });
});
