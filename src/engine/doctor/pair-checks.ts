import { compareReleases } from "../../domain/release.ts";
import { count, knownSchema, type Outcome, type Pair, type PairCheck, someOf } from "./check.ts";

const CLOCK_TOLERANCE_MS = 1000;

/** A restored backup and a replica share the identity of the original, but not the start of its server. */
async function checkSameDatabase({ source, target }: Pair): Promise<Outcome> {
  const [one, other] = [source.server, target.server];
  const isSameServer = one.startedAt === other.startedAt && one.systemIdentifier === other.systemIdentifier;
  if (isSameServer && one.databaseOid === other.databaseOid) {
    return {
      status: "blocker",
      detail: `source and target are the same database (${one.database})`,
      next: ["give the URLs of two databases in crosswind.yaml: source.database and target.database"],
    };
  }
  const isCopy =
    one.systemIdentifier !== undefined &&
    one.systemIdentifier === other.systemIdentifier &&
    one.databaseOid === other.databaseOid;
  if (!isCopy) return { status: "ok", detail: "source and target are different databases" };
  const isReplica = one.isStandby || other.isStandby;
  return {
    status: isReplica ? "warning" : "note",
    detail: isReplica
      ? "one server is a standby of the other's cluster: if it follows the other, both hold the same rows"
      : "one database is a physical copy of the other (a restored backup)",
  };
}

async function checkReleases({ source, target }: Pair): Promise<Outcome> {
  const [from, to] = [knownSchema(source).row, knownSchema(target).row];
  if (compareReleases(to.release, from.release) >= 0) {
    return { status: "ok", detail: `from ${from.release} to ${to.release}` };
  }
  return {
    status: "warning",
    detail: `the target (${to.release}) is older than the source (${from.release}): what the older release has no place for stays behind`,
    next: ["crosswind plan    names it"],
  };
}

/** Secrets are written under the target's key, also those that the source keeps as plain text. */
async function checkTargetKey({ source, target }: Pair): Promise<Outcome> {
  const [row] = await source.session.query<{ secrets: number }>(
    `select ((select count(*) from connection where coalesce(password, '') <> '' or coalesce(extra, '') <> '')
       + (select count(*) from variable where coalesce(val, '') <> ''))::int as secrets`,
  );
  const secrets = row?.secrets ?? 0;
  if (target.key.kind !== "none" || secrets === 0) {
    return {
      status: "ok",
      detail: `${count(secrets, "connection or variable", "connections and variables")} with secrets to re-encrypt`,
    };
  }
  return {
    status: "blocker",
    detail: `${count(secrets, "connection or variable", "connections and variables")} of the source hold secrets, and no key is given to encrypt them with for the target`,
    next: ["set target.fernetKey in crosswind.yaml to a reference, as ${env:TARGET_FERNET_KEY}"],
  };
}

async function checkUnpausedOnBoth({ source, target }: Pair): Promise<Outcome> {
  const sql = "select dag_id from dag where not is_paused order by 1";
  const here = new Set((await target.session.query<{ dag_id: string }>(sql)).map((row) => row.dag_id));
  const there = await source.session.query<{ dag_id: string }>(sql);
  const both = there.map((row) => row.dag_id).filter((id) => here.has(id));
  if (both.length === 0) return { status: "ok", detail: "no DAG is unpaused on both sides" };
  return {
    status: "warning",
    detail: `${count(both.length, "DAG")} ${both.length === 1 ? "is" : "are"} unpaused on both sides, so that the same schedules run twice: ${someOf(both)}`,
    next: ["pause them on the target: they stay with the source until their cutover"],
  };
}

async function checkClocks({ source, target }: Pair): Promise<Outcome> {
  const apart = Math.abs(source.server.clockAheadMs - target.server.clockAheadMs);
  const error = source.server.clockErrorMs + target.server.clockErrorMs;
  if (apart - error <= CLOCK_TOLERANCE_MS) return { status: "ok", detail: "the servers' clocks agree within a second" };
  return {
    status: "note",
    detail: `the servers' clocks are ${(apart / 1000).toFixed(1)} s apart (± ${(error / 1000).toFixed(1)} s)`,
    next: ["let both machines follow a time server before a cutover"],
  };
}

/** What only both sides together can tell. */
export const pairChecks: readonly PairCheck[] = [
  { id: "same-database", title: "Two databases", run: checkSameDatabase },
  { id: "releases", title: "Releases", needsRelease: true, run: checkReleases },
  { id: "target-key", title: "Key for what is copied", needsRelease: true, run: checkTargetKey },
  { id: "unpaused-twice", title: "Who runs the DAGs", needsRelease: true, run: checkUnpausedOnBoth },
  { id: "clocks", ofServer: true, title: "Clocks", run: checkClocks },
];
