import { isProblem } from "../../domain/problem.ts";
import type { Secret } from "../../domain/secret.ts";
import type { Database } from "../../ports/database.ts";
import { openReadSnapshot } from "../copy/snapshot.ts";
import { activityChecks } from "./activity-checks.ts";
import type { Check, CheckSide, CheckStatus, DoctorReport, Outcome, SideCheck, SideContext } from "./check.ts";
import { pairChecks } from "./pair-checks.ts";
import { readKey, readSchemas, readServer } from "./probe.ts";
import { rightsChecks } from "./rights.ts";
import { schemaChecks } from "./schema-checks.ts";
import { secretChecks } from "./secrets.ts";
import { serverChecks } from "./server-checks.ts";

/** One side as it was configured. */
export interface DoctorSide {
  readonly database: Database;
  readonly fernetKey?: Secret;
}

export interface DoctorOptions {
  /** Opened read-only. Its pool needs room for three sessions. */
  readonly source: DoctorSide;
  readonly target: DoctorSide;
  /** Opens and closes the state database; gives what to call it. Left out: not checked. */
  readonly openState?: () => Promise<string>;
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
  for (const { reachable, context } of [source, target]) {
    checks.push(reachable);
    if (context !== undefined) checks.push(...(await checkSide(context)));
  }
  if (source.context !== undefined && target.context !== undefined) {
    const pair = { source: source.context, target: target.context };
    const areKnown = pair.source.schemas.kind === "known" && pair.target.schemas.kind === "known";
    for (const check of pairChecks.filter((each) => each.needsRelease !== true || areKnown)) {
      checks.push(await guarded({ side: "both", ...check }, () => check.run(pair)));
    }
  }
  if (options.openState !== undefined) checks.push(await checkState(options.openState));
  return { checks };
}

interface OpenedSide {
  readonly reachable: Check;
  readonly context?: SideContext;
}

async function openSide(
  side: "source" | "target",
  options: DoctorOptions,
  sessions: AsyncDisposableStack,
): Promise<OpenedSide> {
  const { database, fernetKey } = options[side];
  const about = { side, id: "reachable", title: "Reachable" } as const;
  try {
    const session = sessions.use(await database.session());
    const server = await readServer(session, options.now);
    const schemas = await readSchemas(session, { side, where: database.label });
    const other = options[side === "source" ? "target" : "source"];
    const context: SideContext = {
      side,
      label: database.label,
      session,
      server,
      schemas,
      key: readKey(fernetKey),
      otherKey: readKey(other.fernetKey),
      openReadSnapshot: () => tryReadSnapshot(database),
      now: options.now,
    };
    return { reachable: { ...about, status: "ok", detail: database.label }, context };
  } catch (error) {
    if (!isProblem(error)) throw error;
    // "crosswind doctor" as the way out of a finding of the doctor would be a circle.
    const next = error.report.next.filter((each) => !each.startsWith("crosswind doctor"));
    return { reachable: { ...about, status: "blocker", detail: error.report.what, next } };
  }
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
    const isMeant = (check.on ?? side) === side && (check.needsRelease !== true || isKnown);
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

async function checkState(open: () => Promise<string>): Promise<Check> {
  const about = { side: "state", id: "state", title: "State of runs" } as const;
  try {
    return { ...about, status: "ok", detail: await open() };
  } catch (error) {
    if (!isProblem(error)) throw error;
    return { ...about, status: "blocker", detail: error.report.what, next: error.report.next };
  }
}
