import { describeRelease } from "../../airflow/releases.ts";
import { SUPPORTED_SERVERS } from "../probe/server-abilities.ts";
import type { Outcome, ServerFacts, SideCheck, SideContext } from "./check.ts";

/** What a server's version means for its side. */
export function judgeVersion({ side, server }: VersionContext): Outcome {
  const major = Math.floor(server.versionNumber / 10_000);
  const [oldest, newest] = SUPPORTED_SERVERS[side];
  const as = side === "state" ? "for the state of runs" : `as a ${side}`;
  const name = `PostgreSQL ${server.version}`;
  if (major < oldest) {
    return {
      status: "blocker",
      detail: `${name} is too old ${as}: ${oldest} to ${newest} are supported`,
      next: [`upgrade the server, or restore a dump of the database on PostgreSQL ${oldest} to ${newest}`],
    };
  }
  if (major > newest) {
    return { status: "note", detail: `${name} is newer than what was tried ${as}: ${oldest} to ${newest}` };
  }
  return { status: "ok", detail: name };
}

interface VersionContext {
  readonly side: keyof typeof SUPPORTED_SERVERS;
  readonly server: Pick<ServerFacts, "version" | "versionNumber">;
}

async function checkVersion(context: SideContext): Promise<Outcome> {
  return judgeVersion(context);
}

async function checkLogin({ server }: SideContext): Promise<Outcome> {
  const rights = server.isSuperuser ? ", a superuser" : "";
  return { status: "ok", detail: `signed in to ${server.database} as ${server.role}${rights}` };
}

async function checkTls({ server }: SideContext): Promise<Outcome> {
  if (server.tls !== undefined) return { status: "ok", detail: `encrypted (${server.tls})` };
  if (server.isLocal) return { status: "ok", detail: "not encrypted, and never leaves the server's machine" };
  return {
    status: "note",
    detail: "not encrypted, and the server is on another machine: rows and password cross the network as they are",
    next: ["add ?sslmode=verify-full to the URL of the database"],
  };
}

async function checkReadOnly({ server, isPooled }: SideContext): Promise<Outcome> {
  if (isPooled && server.isReadOnly) {
    return {
      status: "note",
      detail:
        "there is a connection pooler between: everything is read in transactions that refuse writes, and that hold one of its server connections each",
      next: [
        "better give the address of the server itself",
        "or see that the pooler lets one database have at least `lanes` + 3 server connections, and ends no transaction for being idle",
      ],
    };
  }
  if (server.isReadOnly)
    return { status: "ok", detail: "every session refuses writes (default_transaction_read_only)" };
  return {
    status: "warning",
    detail: "the server did not take default_transaction_read_only: a connection pooler between may drop it",
    next: ["give the address of the server itself instead of the pooler's"],
  };
}

async function checkWritable({ server }: SideContext): Promise<Outcome> {
  if (!server.isStandby && !server.isReadOnly) return { status: "ok", detail: "takes writes" };
  const why = server.isStandby ? "is a standby" : "has default_transaction_read_only switched on";
  return {
    status: "blocker",
    detail: `the server ${why}: nothing can be written to it`,
    next: [
      server.isStandby
        ? "give the address of the primary server"
        : `ALTER ROLE ${server.role} IN DATABASE ${server.database} SET default_transaction_read_only = off;`,
    ],
  };
}

async function checkSnapshot({ openReadSnapshot }: SideContext): Promise<Outcome> {
  await openReadSnapshot();
  return { status: "ok", detail: "several sessions can read one exported snapshot" };
}

async function checkRelease({ schemas, server }: SideContext): Promise<Outcome> {
  if (schemas.kind === "known") {
    const name = `Airflow ${describeRelease(schemas.row)} (schema head ${schemas.row.head})`;
    if (schemas.row.schemas !== undefined) return { status: "ok", detail: name };
    return { status: "warning", detail: `${name}: a release that is known, but was not tried` };
  }
  if (schemas.kind === "unknown") {
    return { status: "blocker", detail: schemas.report.what, next: schemas.report.next };
  }
  return {
    status: "blocker",
    detail: `${server.role} may not read the schema head, so that the release is not known: see its rights below`,
  };
}

/** What can be told of the server and its schema without reading rows. */
export const serverChecks: readonly SideCheck[] = [
  { id: "version", ofServer: true, title: "Server version", run: checkVersion },
  { id: "login", ofServer: true, title: "Login", run: checkLogin },
  { id: "tls", ofServer: true, title: "Encryption on the way", run: checkTls },
  { id: "read-only", ofServer: true, title: "Read only", on: "source", run: checkReadOnly },
  { id: "writable", title: "Writable", on: "target", run: checkWritable },
  { id: "snapshot", ofServer: true, title: "Read snapshot", on: "source", whenRefused: "blocker", run: checkSnapshot },
  { id: "release", title: "Airflow release", run: checkRelease },
];
