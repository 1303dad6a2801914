import { describeRelease } from "../../airflow/releases.ts";
import type { Outcome, SideCheck, SideContext } from "./check.ts";

/** Oldest and newest major version that the checks of the project run against, per side. */
const SUPPORTED = { source: [12, 18], target: [13, 18] } as const;

async function checkVersion({ side, server }: SideContext): Promise<Outcome> {
  const major = Math.floor(server.versionNumber / 10_000);
  const [oldest, newest] = SUPPORTED[side];
  if (major >= oldest && major <= newest) return { status: "ok", detail: `PostgreSQL ${server.version}` };
  return {
    status: "warning",
    detail: `PostgreSQL ${server.version} was not tried as a ${side}: ${oldest} to ${newest} were`,
  };
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

async function checkReadOnly({ server }: SideContext): Promise<Outcome> {
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
  { id: "version", title: "Server version", run: checkVersion },
  { id: "login", title: "Login", run: checkLogin },
  { id: "tls", title: "Encryption on the way", run: checkTls },
  { id: "read-only", title: "Read only", on: "source", run: checkReadOnly },
  { id: "writable", title: "Writable", on: "target", run: checkWritable },
  { id: "snapshot", title: "Read snapshot", on: "source", whenRefused: "blocker", run: checkSnapshot },
  { id: "release", title: "Airflow release", run: checkRelease },
];
