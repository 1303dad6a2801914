import type { Secret } from "./secret.ts";
import type { Selection } from "./selection.ts";

/** One environment of the configuration, its references resolved. */
export interface EnvironmentConfig {
  /** The metadata database's URL; a secret because it holds a password. */
  readonly database: Secret;
  /** One Fernet key or a comma-separated list, as Airflow takes it; undefined where none is given. */
  readonly fernetKey?: Secret;
  /** Where its DAGs are switched; undefined: in its database. */
  readonly api?: ApiConfig;
  /** What a run may take of it, all workers together; undefined: as much as it gets. */
  readonly limits?: Limits;
}

/** What the chunks of a run may take of one environment. Each is without a limit by default. */
export interface Limits {
  /** Chunks at once, each of which has a connection. */
  readonly connections?: number;
  readonly rowsPerSecond?: number;
  /** Of a million bytes, as COPY has them. */
  readonly megabytesPerSecond?: number;
  /** When chunks may begin: `20:00-06:00 Europe/Berlin`; without a zone UTC. */
  readonly hours?: string;
}

/** An environment's REST API, with a user name and a password or a token. */
export interface ApiConfig {
  readonly url?: string;
  readonly username?: string;
  readonly password?: Secret;
  readonly token?: Secret;
}

/** `crosswind.yaml` with flags, environment variables and defaults applied, and every reference resolved. */
export interface Config {
  readonly source: EnvironmentConfig;
  readonly target: EnvironmentConfig;
  readonly select: Selection;
  /** Another Postgres for the state of runs; undefined: the embedded one in `.crosswind/`. */
  readonly state?: Secret;
  /** Another Postgres for landing sources that are none; undefined: the embedded one in `.crosswind/`. */
  readonly staging?: Secret;
  /** Chunks copied at once. Default 2. */
  readonly lanes: number;
  /** How long history is read from one read snapshot of a Postgres source, in minutes; then a new one is taken. Default 60. */
  readonly snapshotMinutes: number;
}
