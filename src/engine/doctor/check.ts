import type { FernetKeys } from "../../airflow/codecs/index.ts";
import type { ReleaseRow } from "../../airflow/releases.ts";
import type { ProblemReport } from "../../domain/problem.ts";
import type { Schema } from "../../domain/schema.ts";
import type { Session } from "../../ports/database.ts";

/** What a check is about: one environment, both together, or the state database. */
export type CheckSide = "source" | "target" | "both" | "state";

/** `note` is for the record, `warning` wants a look, `blocker` stops a migration. */
export type CheckStatus = "ok" | "note" | "warning" | "blocker";

/** One line of the doctor's report. Holds names and numbers, never a secret. */
export interface Check {
  readonly side: CheckSide;
  /** Stable, kebab case: `fernet-key`. */
  readonly id: string;
  readonly title: string;
  readonly status: CheckStatus;
  readonly detail: string;
  /** What to do; statements complete enough to paste. */
  readonly next?: readonly string[];
}

/** Everything that was looked at, in the order of the report. */
export interface DoctorReport {
  readonly checks: readonly Check[];
}

/** What a check found; who and what it is about is known where the check is declared. */
export type Outcome = Pick<Check, "status" | "detail" | "next">;

/** Facts about a server and the session's role, read before everything else. Names come quoted where SQL needs it. */
export interface ServerFacts {
  readonly role: string;
  readonly database: string;
  readonly isSuperuser: boolean;
  readonly version: string;
  /** `server_version_num`: 170010 for 17.10. */
  readonly versionNumber: number;
  readonly isStandby: boolean;
  readonly isReadOnly: boolean;
  /** The same machine, as far as the server can tell: a socket or a loopback address. */
  readonly isLocal: boolean;
  readonly tls: string | undefined;
  readonly startedAt: string;
  readonly databaseOid: string;
  /** Undefined where the role may not ask for it. */
  readonly systemIdentifier: string | undefined;
  /** The server's clock minus ours, and how far that may be off, in milliseconds. */
  readonly clockAheadMs: number;
  readonly clockErrorMs: number;
}

/** A Fernet key setting: not given, usable, or not. */
export type KeyState =
  | { readonly kind: "none" }
  | { readonly kind: "keys"; readonly keys: FernetKeys }
  | { readonly kind: "invalid"; readonly report: ProblemReport };

/** What is known of the schema: the release, why it is not known, or that the role may not even read the schema heads. */
export type Schemas =
  | { readonly kind: "known"; readonly row: ReleaseRow; readonly schema: Schema }
  | { readonly kind: "unknown"; readonly report: ProblemReport }
  | { readonly kind: "closed" };

/** One reachable side, as its checks see it. */
export interface SideContext {
  readonly side: "source" | "target";
  readonly label: string;
  /** This is staging: what its server says, says nothing about the source's. */
  readonly isLanded: boolean;
  /** Reached through a connection pooler, in read-only transactions that set for themselves what a session would. */
  readonly isPooled: boolean;
  readonly session: Session;
  readonly server: ServerFacts;
  readonly schemas: Schemas;
  readonly key: KeyState;
  /** The other side's key, to tell swapped keys. */
  readonly otherKey: KeyState;
  readonly openReadSnapshot: () => Promise<void>;
  readonly now: () => Date;
}

/** A check of one side. `on`: default both. Checks that need a known release are left out where it is not known. */
export interface SideCheck {
  readonly id: string;
  readonly title: string;
  readonly on?: "source" | "target";
  readonly needsRelease?: true;
  /** About the server and not about what the database holds: left out where the source is landed. */
  readonly ofServer?: true;
  /** What it means when the server refuses to answer. Default `warning`: it could not be checked. */
  readonly whenRefused?: CheckStatus;
  readonly run: (context: SideContext) => Promise<Outcome>;
}

/** Both sides, where both are reachable. */
export interface Pair {
  readonly source: SideContext;
  readonly target: SideContext;
}

/** A check of both sides together. */
export interface PairCheck {
  readonly id: string;
  readonly title: string;
  readonly needsRelease?: true;
  /** About the server and not about what the database holds: left out where the source is landed. */
  readonly ofServer?: true;
  readonly run: (pair: Pair) => Promise<Outcome>;
}

/** The release and schema of a side. Throws a plain Error where they are not known: `needsRelease` was forgotten. */
export function knownSchema({ schemas }: SideContext): { readonly row: ReleaseRow; readonly schema: Schema } {
  if (schemas.kind !== "known") throw new Error("the check needs a known release");
  return schemas;
}

/** At most `limit` names, and how many more there are. */
export function someOf(names: readonly string[], limit = 20): string {
  const rest = names.length - limit;
  return rest > 0 ? `${names.slice(0, limit).join(", ")} and ${rest} more` : names.join(", ");
}

/** `1 DAG`, `2 DAGs`. */
export function count(amount: number, one: string, many = `${one}s`): string {
  return `${amount.toLocaleString("en-US")} ${amount === 1 ? one : many}`;
}
