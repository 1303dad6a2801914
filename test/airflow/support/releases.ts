/**
 * The genuine Airflow releases the tests can install.
 *
 * Constraint files need a host that not every machine reaches; a date does the same job: the resolver takes what was
 * newest on that day. Every row was installed and its metadata database initialised on PostgreSQL.
 */
export interface Release {
  /** Minor version of the interpreter, such as `3.11`. */
  readonly python: string;
  /** Resolver cut-off day: a few weeks after the release. */
  readonly excludeNewer: string;
  /** Requirements besides Airflow itself and the database drivers. */
  readonly extra: readonly string[];
}

const withFab = ["asyncpg", "apache-airflow-providers-fab"] as const;

export const releases = {
  "1.10.15": { python: "3.8", excludeNewer: "2021-04-10", extra: ["sqlalchemy<1.4", "sqlalchemy-utils<0.37"] },
  "2.0.2": { python: "3.8", excludeNewer: "2021-05-15", extra: [] },
  "2.2.5": { python: "3.8", excludeNewer: "2022-04-30", extra: [] },
  "2.4.3": { python: "3.10", excludeNewer: "2022-12-01", extra: [] },
  "2.5.3": { python: "3.10", excludeNewer: "2023-04-20", extra: [] },
  "2.7.3": { python: "3.11", excludeNewer: "2023-11-30", extra: [] },
  "2.8.4": { python: "3.11", excludeNewer: "2024-04-05", extra: [] },
  "2.9.3": { python: "3.11", excludeNewer: "2024-08-01", extra: [] },
  "2.10.5": { python: "3.11", excludeNewer: "2025-02-15", extra: [] },
  "2.11.0": { python: "3.11", excludeNewer: "2025-06-15", extra: [] },
  "3.0.6": { python: "3.12", excludeNewer: "2025-09-30", extra: withFab },
  "3.1.8": { python: "3.12", excludeNewer: "2026-05-01", extra: withFab },
  "3.2.2": { python: "3.12", excludeNewer: "2026-07-30", extra: withFab },
  "3.3.2": { python: "3.12", excludeNewer: "2026-11-20", extra: withFab },
} as const satisfies Readonly<Record<string, Release>>;

export type ReleaseName = keyof typeof releases;

/** The row of a release; throws when the tests do not know it. */
export function releaseNamed(name: string): Release {
  if (!Object.hasOwn(releases, name)) {
    throw new Error(`The tests do not know Airflow ${name}; known: ${Object.keys(releases).join(", ")}.`);
  }
  return releases[name as ReleaseName];
}

/** How that release makes its metadata database: `initdb` (1.10), `db init` (to 2.6), `db migrate` (2.7 and later). */
export function initCommand(name: string): readonly string[] {
  const [major = 0, minor = 0] = name.split(".").map(Number);
  if (major < 2) {
    return ["initdb"];
  }
  return major === 2 && minor < 7 ? ["db", "init"] : ["db", "migrate"];
}
