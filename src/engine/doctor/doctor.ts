import { isProblem } from "../../domain/problem.ts";
import type { Secret } from "../../domain/secret.ts";
import type { Database } from "../../ports/database.ts";
import type { RawSource } from "../../ports/raw-source.ts";
import { openReadSnapshot } from "../copy/snapshot.ts";
import { activityChecks } from "./activity-checks.ts";
import type {
  Check,
  CheckSide,
  CheckStatus,
  DoctorReport,
  Outcome,
  PairCheck,
  ServerFacts,
  SideCheck,
  SideContext,
} from "./check.ts";
import { pairChecks } from "./pair-checks.ts";
import { readKey, readSchemas, readServer } from "./probe.ts";
import { rightsChecks } from "./rights.ts";
import { schemaChecks } from "./schema-checks.ts";
import { secretChecks } from "./secrets.ts";
import { judgeVersion, serverChecks } from "./server-checks.ts";

/** One side as it was configured. */
export interface DoctorSide {
  /** Gives the database, read-only for a source; its pool needs room for three sessions. A source that is no Postgres is landed first. */
  readonly open: () => Promise<Database>;
  /** Set where the source is no Postgres: what is looked at before it is landed. */
  readonly raw?: Pick<RawSource, "check" | "label">;
  readonly fernetKey?: Secret;
}

/** What the doctor asks of the state database. */
export interface StateFacts {
  /** What to call it. */
  readonly label: string;
  /** Undefined for the one that comes with Crosswind. */
  readonly server?: Pick<ServerFacts, "version" | "versionNumber">;
}

export interface DoctorOptions {
  readonly source: DoctorSide;
  readonly target: DoctorSide;
  /** Opens and closes the state database. Left out: not checked. */
  readonly openState?: () => Promise<StateFacts>;
  readonly now: () => Date;
}

const sideChecks: readonly SideCheck[] = [
  ...serverChecks,
  ...schemaChecks,
  ...secretChecks,
  ...rightsChecks,
  ...activityChecks,
];

/**
 * Looks at both sides and writes nothing. Every check runs whatever the others found; a side that can not be reached is a blocker,
 * and the other side is checked all the same. Only a bug is thrown.
 */
export async function runDoctor(options: DoctorOptions): Promise<DoctorReport> {
  await using sessions = new AsyncDisposableStack();
  const source = await openSide("source", options, sessions);
  const target = await openSide("target", options, sessions);
  const checks: Check[] = [];
  for (const { before, context } of [source, target]) {
    checks.push(...before);
    if (context !== undefined) checks.push(...(await checkSide(context)));
  }
  if (source.context !== undefined && target.context !== undefined) {
    const pair = { source: source.context, target: target.context };
    const areKnown = pair.source.schemas.kind === "known" && pair.target.schemas.kind === "known";
    const isMeant = (each: PairCheck) =>
      (each.needsRelease !== true || areKnown) &&
      (each.ofServer !== true || !(pair.source.isLanded || pair.target.isLanded));
    for (const check of pairChecks.filter(isMeant)) {
      checks.push(await guarded({ side: "both", ...check }, () => check.run(pair)));
    }
  }
  if (options.openState !== undefined) checks.push(await checkState(options.openState));
  return { checks };
}

interface OpenedSide {
  /** What was found on the way in. */
  readonly before: readonly Check[];
  readonly context?: SideContext;
}

/** What can be told of a database that is no Postgres without landing it. Throws the problems of its connection. */
async function checkRaw(side: "source" | "target", { raw }: DoctorSide): Promise<readonly Check[]> {
  if (raw === undefined) return [];
  const checks = await raw.check();
  return [
    { side, id: "reachable", title: "Reachable", status: "ok", detail: raw.label },
    ...checks.map((check): Check => ({ side, ...check })),
  ];
}

async function openSide(
  side: "source" | "target",
  options: DoctorOptions,
  sessions: AsyncDisposableStack,
): Promise<OpenedSide> {
  const { fernetKey, open } = options[side];
  let before: readonly Check[] = [];
  try {
    before = await checkRaw(side, options[side]);
    const database = await open();
    const isLanded = database.landed !== undefined;
    const session = sessions.use(await database.session());
    const server = await readServer(session, options.now);
    const schemas = await readSchemas(session, { side, where: database.label });
    const other = options[side === "source" ? "target" : "source"];
    const context: SideContext = {
      side,
      label: database.label,
      isLanded,
      isPooled: database.isPooled,
      session,
      server,
      schemas,
      key: readKey(fernetKey),
      otherKey: readKey(other.fernetKey),
      openReadSnapshot: () => tryReadSnapshot(database),
      now: options.now,
    };
    const where = isLanded ? "its tables and secrets are landed to be looked at" : database.label;
    return { before: [...before, { ...entrance(side, before), status: "ok", detail: where }], context };
  } catch (error) {
    if (!isProblem(error)) throw error;
    // "crosswind doctor" as the way out of a finding of the doctor would be a circle.
    const next = error.report.next.filter((each) => !each.startsWith("crosswind doctor"));
    return { before: [...before, { ...entrance(side, before), status: "blocker", detail: error.report.what, next }] };
  }
}

/** The check that a failure on the way in belongs to: a source that answers may still not be one that can be landed. */
function entrance(side: "source" | "target", before: readonly Check[]) {
  return before.length === 0
    ? ({ side, id: "reachable", title: "Reachable" } as const)
    : ({ side, id: "staging", title: "Landing" } as const);
}

/** A pooler that hands out another server session per transaction fails here, and a copy through it would, too. */
async function tryReadSnapshot(database: Database): Promise<void> {
  await using snapshot = await openReadSnapshot(database);
  await using joined = await snapshot.session();
  await joined.query("select 1");
}

async function checkSide(context: SideContext): Promise<readonly Check[]> {
  const { side } = context;
  const isKnown = context.schemas.kind === "known";
  const checks: Check[] = [];
  for (const check of sideChecks) {
    const isMeant =
      (check.on ?? side) === side &&
      (check.needsRelease !== true || isKnown) &&
      (check.ofServer !== true || !context.isLanded);
    if (isMeant) checks.push(await guarded({ side, ...check }, () => check.run(context)));
  }
  return checks;
}

/** Runs one check; a failure of the server becomes its outcome, so that the others go on. Bugs are thrown. */
async function guarded(
  about: { readonly side: CheckSide; readonly id: string; readonly title: string; readonly whenRefused?: CheckStatus },
  run: () => Promise<Outcome>,
): Promise<Check> {
  const { side, id, title } = about;
  try {
    return { side, id, title, ...(await run()) };
  } catch (error) {
    const reason = serverReason(error);
    if (reason === undefined) throw error;
    return { side, id, title, status: about.whenRefused ?? "warning", detail: `could not be checked: ${reason}` };
  }
}

/** The first line of what a server said; undefined for anything that no server said. */
function serverReason(error: unknown): string | undefined {
  if (isProblem(error)) return error.report.what;
  const { code, message } = error as { code?: unknown; message?: unknown };
  const isFromServer = typeof code === "string" && /^[0-9A-Z]{5}$/.test(code);
  return isFromServer ? String(message).split("\n")[0] : undefined;
}

async function checkState(open: () => Promise<StateFacts>): Promise<Check> {
  const about = { side: "state", id: "state", title: "State of runs" } as const;
  try {
    const { label, server } = await open();
    const judged = server === undefined ? undefined : judgeVersion({ side: "state", server });
    return judged === undefined || judged.status === "ok"
      ? { ...about, status: "ok", detail: label }
      : { ...about, ...judged, detail: `${label}: ${judged.detail}` };
  } catch (error) {
    if (!isProblem(error)) throw error;
    return { ...about, status: "blocker", detail: error.report.what, next: error.report.next };
  }
}
