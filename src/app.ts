import { randomUUID } from "node:crypto";
import { type CodecContext, parseFernetKeys } from "./airflow/codecs/index.ts";
import { openEmbeddedPostgres } from "./databases/embedded/embedded-postgres.ts";
import { thisHost } from "./databases/embedded/host.ts";
import { openPostgres } from "./databases/postgres/postgres.ts";
import { parsePostgresUrl } from "./databases/postgres/url.ts";
import type { Config } from "./domain/config.ts";
import type { Plan } from "./domain/plan.ts";
import type { EventSink } from "./domain/run-event.ts";
import { Secret } from "./domain/secret.ts";
import type { Selection } from "./domain/selection.ts";
import { type CopySummary, defineApply } from "./engine/copy/apply.ts";
import type { MigrationJob } from "./engine/copy/copy-context.ts";
import { holdTarget } from "./engine/copy/hold-target.ts";
import { isBegun, readPlannedSelection } from "./engine/copy/ledger.ts";
import { assertPlanHolds, makePlan, probeBoth, selectedEntities } from "./engine/plan/make-plan.ts";
import type { PlanJob } from "./engine/plan/plan-job.ts";
import type { ProbedSide } from "./engine/probe/probe-side.ts";
import type { VerifyReport } from "./engine/verify/report.ts";
import { verifyCopy } from "./engine/verify/verify-copy.ts";
import type { Database } from "./ports/database.ts";
import type { Ended } from "./runs/dbos-runs.ts";

/** Both metadata databases of a configuration: the source read-only at the server. */
export interface Sides extends AsyncDisposable {
  readonly source: Database;
  readonly target: Database;
}

/** Opens both databases; connections are made when they are first used. Throws DATABASE_URL_INVALID. */
export function openSides(config: Config): Sides {
  // One session for the holder of the read snapshot and one to probe, besides one per lane.
  const maxSessions = config.lanes + 3;
  const source = openPostgres({ url: config.source.database, name: "source", readOnly: true, maxSessions });
  const target = openPostgres({ url: config.target.database, name: "target", maxSessions });
  return {
    source,
    target,
    [Symbol.asyncDispose]: async () => {
      await source[Symbol.asyncDispose]();
      await target[Symbol.asyncDispose]();
    },
  };
}

function planJob(
  config: Config,
  sides: Sides,
  options: Pick<PlanJob, "acceptLoss" | "now" | "id" | "version">,
): PlanJob {
  return {
    source: sides.source,
    target: sides.target,
    ...(config.source.fernetKey === undefined ? {} : { sourceKeys: config.source.fernetKey }),
    ...(config.target.fernetKey === undefined ? {} : { targetKeys: config.target.fernetKey }),
    selection: config.select,
    ...options,
  };
}

/** Reads both sides and makes a plan; writes nothing. */
export async function plan(config: Config, options: Pick<PlanJob, "acceptLoss" | "now" | "version">): Promise<Plan> {
  await using sides = openSides(config);
  return await makePlan(planJob(config, sides, { ...options, id: randomUUID() }));
}

export interface VerifyOptions {
  /** Patterns of DAGs; default: everything that was copied. */
  readonly dags?: readonly string[];
  readonly now: () => Date;
  readonly signal: AbortSignal;
  readonly onEvent: EventSink;
}

/** Both sides' Fernet keys, as a copy from source to target needs them. */
function codecContext(config: Config): CodecContext {
  const [source, target] = [config.source.fernetKey, config.target.fernetKey];
  return {
    ...(source === undefined ? {} : { sourceKeys: parseFernetKeys(source) }),
    ...(target === undefined ? {} : { targetKeys: parseFernetKeys(target) }),
  };
}

interface Known {
  readonly probed: { readonly source: ProbedSide; readonly target: ProbedSide };
  readonly selection: Selection;
}

/** What a copy and its verification have in common, but for where their events go. */
function migrationJob(config: Config, sides: Sides, { probed, selection }: Known): Omit<MigrationJob, "onEvent"> {
  return {
    source: sides.source,
    target: sides.target,
    sourceSide: probed.source.side,
    targetSide: probed.target.side,
    identity: probed.source.facts.identity,
    entities: selectedEntities(selection.entities),
    selection,
    codecs: codecContext(config),
  };
}

/** Compares what was copied with the source; writes nothing. */
export async function verifyEnvironment(config: Config, options: VerifyOptions): Promise<VerifyReport> {
  await using sides = openSides(config);
  const probed = await probeBoth(sides);
  // What was copied is compared, also where the configuration has been changed since, or flags had narrowed the plan.
  const select = (await readPlannedSelection(sides.target, probed.source.facts.identity)) ?? config.select;
  return await verifyCopy({ ...migrationJob(config, sides, { probed, selection: select }), ...options });
}

/** The state database: the configured one, or an embedded Postgres in `.crosswind/` beside the configuration. */
export interface StateDatabase extends AsyncDisposable {
  readonly url: Secret;
  readonly label: string;
}

const STATE = "crosswind_state";

/** Opens the state database; the embedded one is started on demand. */
export async function openState(config: Pick<Config, "state">, homeDir: string): Promise<StateDatabase> {
  if (config.state !== undefined) {
    const { connectionString, label } = parsePostgresUrl(config.state);
    return { url: new Secret(connectionString), label, [Symbol.asyncDispose]: async () => {} };
  }
  const server = await openEmbeddedPostgres({ name: "state", homeDir, host: thisHost("durable") });
  return {
    url: new Secret(server.url(STATE)),
    label: `the embedded Postgres in ${homeDir}/.crosswind`,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

export interface ApplyOptions {
  readonly plan: Plan;
  readonly planFile: string;
  /** The package's version. */
  readonly version: string;
  /** The folder of `.crosswind/`. */
  readonly homeDir: string;
  readonly now: Date;
  readonly signal: AbortSignal;
  readonly onEvent: EventSink;
}

/**
 * Does what a plan says, or goes on where an earlier apply of it stopped.
 *
 * Throws PLAN_BLOCKED, PLAN_STALE, and whatever stops the copy.
 */
export async function apply(config: Config, options: ApplyOptions): Promise<Ended<CopySummary>> {
  const { plan: planned } = options;
  await using sides = openSides({ ...config, select: planned.selection });
  const job = planJob({ ...config, select: planned.selection }, sides, {
    acceptLoss: planned.acceptsLoss,
    now: options.now,
    id: planned.id,
    version: options.version,
  });
  const probed = await probeBoth(job);
  await using _held = await holdTarget(sides.target);
  await assertPlanHolds(job, {
    plan: planned,
    file: options.planFile,
    probed,
    isBegun: await isBegun(sides.target, planned.id),
  });
  const expected = Object.fromEntries(planned.entities.map((each) => [each.entity, each.toCopy]));
  await using definition = defineApply(
    {
      ...migrationJob(config, sides, { probed, selection: planned.selection }),
      run: planned.id,
      // A history of days counts from the day it was planned.
      now: new Date(planned.createdAt),
      onEvent: options.onEvent,
    },
    expected,
  );
  await using state = await openState(config, options.homeDir);
  // Loaded when it is needed: it is most of what the process would load, and `--help` needs none of it.
  const { runDurably } = await import("./runs/dbos-runs.ts");
  return await runDurably({
    run: planned.id,
    definition,
    stateUrl: state.url,
    stateLabel: state.label,
    lanes: config.lanes,
    version: options.version,
    signal: options.signal,
  });
}
