import { openPostgres } from "../databases/postgres/postgres.ts";
import { openRawSource, openRawTarget } from "../databases/raw.ts";
import { openStaging, type Staging } from "../databases/staging/staging.ts";
import type { Config } from "../domain/config.ts";
import type { Finding } from "../domain/finding.ts";
import type { EventSink } from "../domain/run-event.ts";
import { Secret } from "../domain/secret.ts";
import type { DoctorSide } from "../engine/doctor/doctor.ts";
import { type Landed, land } from "../engine/land/land.ts";
import { LandedDatabase } from "../engine/land/landed-database.ts";
import { landTarget, ledgerOf } from "../engine/upload/land-target.ts";
import { restoreLedger } from "../engine/upload/ledger-copy.ts";
import { type Mirror, openMirror } from "../engine/upload/mirror.ts";
import type { Database } from "../ports/database.ts";
import type { RawSource } from "../ports/raw-source.ts";
import type { RawTarget, TargetTable, UploadLedger } from "../ports/raw-target.ts";

/** Both metadata databases of a configuration: the source read-only at the server. */
export interface Sides extends AsyncDisposable {
  /** The source itself, or staging with the source landed in it. */
  readonly source: Database;
  /** The target itself, or a mirror of it in staging. */
  readonly target: Database;
  /** Set where the target is no Postgres: what is written to its mirror is uploaded to it. */
  readonly upload?: UploadSide;
  /** What landing found; none for a Postgres, which is not landed. */
  readonly findings: readonly Finding[];
}

export interface OpenOptions {
  /** The folder of `.crosswind/`, which relative paths are relative to, too. Default: the current one. */
  readonly homeDir?: string;
  readonly onEvent?: EventSink;
  readonly signal?: AbortSignal;
  /** Names the sessions to databases that are a Postgres. Default: nothing. */
  readonly tag?: string;
  /** The run that rows are written by, to a target that is no Postgres. */
  readonly writing?: WritingTarget;
}

/** A target that is no Postgres, opened for a run that writes. */
export interface WritingTarget {
  readonly run: string;
  readonly target: RawTarget;
  readonly home: Staging;
  readonly ledger: UploadLedger;
}

/** A target that is no Postgres, as it was landed. */
export interface UploadSide {
  readonly tables: readonly TargetTable[];
  readonly findings: readonly Finding[];
  /** Rights that are missing, for a plan. */
  readonly missing: readonly Finding[];
  /** The mirror that a run writes to; undefined where nothing is written. */
  readonly mirror?: Mirror;
}

/** One session for the holder of the read snapshot and one to probe, besides one per lane. */
function mostSessions({ lanes }: Config): number {
  return lanes + 3;
}

function landedAs(
  { label, address }: Pick<RawSource, "label" | "address">,
  staging: Database,
  { facts }: Pick<Landed, "facts">,
): Database {
  return new LandedDatabase({ staging, landed: facts, label, address });
}

function tagged({ tag }: { readonly tag?: string }): { readonly tag?: string } {
  return tag === undefined ? {} : { tag };
}

/** Opens a target that is a Postgres; connected to when it is first used. Throws DATABASE_URL_INVALID. */
export function openTarget(config: Config, options: { readonly tag?: string } = {}): Database {
  const maxSessions = mostSessions(config);
  return openPostgres({ url: config.target.database, name: "target", maxSessions, ...tagged(options) });
}

/** Sessions of a mirror: each lane of an upload reads rows as they are and as they were, and notes what it wrote. */
function mirrorSessions({ lanes }: Config): number {
  return lanes * 3 + 3;
}

async function openTargetSide(
  config: Config,
  options: OpenOptions,
  resources: AsyncDisposableStack,
): Promise<{ readonly target: Database; readonly upload?: UploadSide }> {
  const { homeDir = process.cwd(), onEvent = () => {}, signal, writing } = options;
  const raw = writing?.target ?? openRawTarget({ url: config.target.database, folder: homeDir });
  if (raw === undefined) return { target: resources.use(openTarget(config, options)) };
  if (writing === undefined) resources.use(raw);
  const place = { source: raw.address, server: config.staging, homeDir };
  const home = writing?.home ?? resources.use(await openStaging({ ...place, purpose: "target" }));
  const job = { target: raw, onEvent, ...(signal === undefined ? {} : { signal }) };
  const opened = async (url: Secret, landed: Pick<Landed, "facts">) => {
    const database = openPostgres({ url, name: "target", maxSessions: mirrorSessions(config) });
    return resources.use(landedAs(raw, database, landed));
  };
  if (writing === undefined) {
    const ledger = await ledgerOf(raw, home.database);
    const landed = await landTarget({ ...job, staging: home.database }, await ledger.read());
    return { target: await opened(home.url, landed), upload: { ...landed, missing: await missingRights(raw) } };
  }
  const staging = resources.use(await openStaging({ ...place, purpose: `run_${shortRun(writing.run)}` }));
  const mirror = await openMirror({ ...job, staging: staging.database }, () => writing.ledger.read());
  const tables = await raw.tables();
  return {
    target: await opened(staging.url, mirror),
    upload: { tables, findings: mirror.findings, missing: [], mirror },
  };
}

async function missingRights(raw: RawTarget): Promise<readonly Finding[]> {
  const checks = (await raw.checkWriting()).filter(({ status }) => status === "blocker");
  return checks.map(({ detail, next = [] }) => ({
    code: "ROLE_LACKS_RIGHTS",
    severity: "blocker",
    what: detail,
    next,
  }));
}

/** Enough of a run's id to tell runs apart, in a name of at most 63 characters. */
function shortRun(run: string): string {
  return run.replaceAll("-", "").slice(0, 16);
}

/** The target's ledger, for a look at what was copied. Nothing of a target that is no Postgres is landed for it. */
export async function openTargetStatus(config: Config, { homeDir }: { readonly homeDir: string }): Promise<Database> {
  await using raw = openRawTarget({ url: config.target.database, folder: homeDir });
  if (raw === undefined) return openTarget(config);
  await using resources = new AsyncDisposableStack();
  const place = { source: raw.address, server: config.staging, homeDir, purpose: "status" };
  const staging = resources.use(await openStaging(place));
  const home = resources.use(await openStaging({ ...place, purpose: "target" }));
  const ledger = await ledgerOf(raw, home.database);
  await using session = await staging.database.session();
  await restoreLedger(session, await ledger.read());
  const { database } = staging;
  const kept = resources.move();
  return {
    label: raw.label,
    address: raw.address,
    isPooled: false,
    session: () => database.session(),
    query: (sql, values) => database.query(sql, values),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

interface LandSource {
  readonly raw: RawSource;
  /** What it is landed for besides copying. */
  readonly purpose?: string;
  readonly takesRows?: (table: string) => boolean;
  /** What is opened for it goes with them. */
  readonly resources: AsyncDisposableStack;
}

/** Lands a source as it is now, and gives staging as the source. */
async function landSource(
  config: Config,
  { homeDir = process.cwd(), onEvent = () => {}, signal }: OpenOptions,
  { raw, purpose, takesRows, resources }: LandSource,
): Promise<{ readonly source: Database; readonly findings: readonly Finding[] }> {
  const place = { source: raw.address, server: config.staging, homeDir };
  const staging = resources.use(await openStaging(purpose === undefined ? place : { ...place, purpose }));
  const landed = await land({
    source: raw,
    staging: staging.database,
    onEvent,
    ...(signal === undefined ? {} : { signal }),
    ...(takesRows === undefined ? {} : { takesRows }),
  });
  const maxSessions = mostSessions(config);
  const database = openPostgres({ url: staging.url, name: "source", readOnly: true, maxSessions });
  return { source: resources.use(landedAs(raw, database, landed)), findings: landed.findings };
}

/**
 * Opens both databases. A Postgres is connected to when it is first used; another source is landed in staging, as it is now.
 *
 * Throws DATABASE_URL_INVALID; where the source is landed, also what stops that, and the problems of the target's connection before it.
 */
export async function openSides(config: Config, options: OpenOptions = {}): Promise<Sides> {
  await using resources = new AsyncDisposableStack();
  const url = config.source.database;
  const { target, upload } = await openTargetSide(config, options, resources);
  const raw = openRawSource({ url, name: "source", folder: options.homeDir ?? process.cwd() });
  let source: Database;
  let findings: readonly Finding[] = upload?.findings ?? [];
  if (raw === undefined) {
    const maxSessions = mostSessions(config);
    source = resources.use(openPostgres({ url, name: "source", readOnly: true, maxSessions, ...tagged(options) }));
  } else {
    // Landing may take long: a target that is not there is better known before.
    await target.query("select 1");
    const landed = await landSource(config, options, { raw, resources });
    source = landed.source;
    findings = [...findings, ...landed.findings];
  }
  const kept = resources.move();
  return {
    source,
    target,
    findings,
    ...(upload === undefined ? {} : { upload }),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Tables of which the doctor looks at rows; of the others only at their columns. */
const DOCTORS_TABLES = /^(connection|variable|dag|job|alembic_version.*)$/;

/** The source as the doctor wants it: nothing is connected to yet. */
export function openDoctorSource(config: Config, options: { readonly homeDir: string }): DoctorSide & AsyncDisposable {
  const { database: url, fernetKey } = config.source;
  const { homeDir } = options;
  const raw = openRawSource({ url, name: "source", folder: homeDir });
  const key = fernetKey === undefined ? {} : { fernetKey };
  const resources = new AsyncDisposableStack();
  const dispose = { [Symbol.asyncDispose]: () => resources.disposeAsync() };
  if (raw === undefined) {
    const maxSessions = mostSessions(config);
    const database = resources.use(openPostgres({ url, name: "source", readOnly: true, maxSessions }));
    return { ...key, open: async () => database, ...dispose };
  }
  const takesRows = (table: string) => DOCTORS_TABLES.test(table);
  const open = async () => (await landSource(config, options, { raw, purpose: "doctor", takesRows, resources })).source;
  return { ...key, raw, open, ...dispose };
}

/** The target as the doctor wants it: nothing is connected to yet. */
export function openDoctorTarget(config: Config, options: { readonly homeDir: string }): DoctorSide & AsyncDisposable {
  const { database: url, fernetKey } = config.target;
  const key = fernetKey === undefined ? {} : { fernetKey };
  const resources = new AsyncDisposableStack();
  const dispose = { [Symbol.asyncDispose]: () => resources.disposeAsync() };
  const raw = openRawTarget({ url, folder: options.homeDir });
  if (raw === undefined) {
    const database = resources.use(openTarget(config));
    return { ...key, open: async () => database, ...dispose };
  }
  resources.use(raw);
  const open = async () => {
    const { homeDir } = options;
    const place = { source: raw.address, purpose: "doctor_target", server: config.staging, homeDir };
    const staging = resources.use(await openStaging(place));
    const takesRows = (table: string) => DOCTORS_TABLES.test(table);
    const job = { target: raw, staging: staging.database, onEvent: () => {}, takesRows };
    const database = openPostgres({ url: staging.url, name: "target", maxSessions: mostSessions(config) });
    return resources.use(landedAs(raw, database, await landTarget(job, await (await raw.ledger())?.read())));
  };
  const check = async () => [
    ...(await raw.check()).filter(({ id }) => id !== "read-only"),
    ...(await raw.checkWriting()),
  ];
  return { ...key, raw: { label: raw.label, check }, open, ...dispose };
}
