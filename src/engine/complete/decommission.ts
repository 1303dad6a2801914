/** How the source has been used of late: whether it may be switched off. */
export interface SourceUse {
  /** When the newest run of the source ended or began, ISO 8601; null where it has none. */
  readonly lastRunAt: string | null;
  /** DAGs that are not paused. */
  readonly unpausedDags: readonly string[];
  /** People and services in the audit log of the last days, with how often. */
  readonly callers: readonly { readonly who: string; readonly events: number }[];
}

/** One thing to have before the source is switched off. */
export interface DecommissionStep {
  /** Undefined: nobody but people can tell. */
  readonly isMet?: boolean;
  /** One sentence. */
  readonly what: string;
  /** What to do where it is not met. */
  readonly next?: string;
}

/** Days in which nothing is to have run on the source, and nobody to have called it. */
export const QUIET_DAYS = 7;

const DAY_MS = 86_400_000;

function listed(names: readonly string[]): string {
  const more = names.length > 5 ? ` and ${names.length - 5} more` : "";
  return `${names.slice(0, 5).join(", ")}${more}`;
}

/** What has to be before the source is switched off, as far as its database tells; `at`: when it was read, ISO 8601. */
export function decommissionSteps(
  { lastRunAt, unpausedDags, callers }: SourceUse,
  at: string,
): readonly DecommissionStep[] {
  const isQuiet = lastRunAt === null || Date.parse(at) - Date.parse(lastRunAt) > QUIET_DAYS * DAY_MS;
  const calls = callers.map(({ who, events }) => `${who} (${events})`);
  return [
    unpausedDags.length === 0
      ? { isMet: true, what: "every DAG is paused on the source" }
      : {
          isMet: false,
          what: `not paused on the source: ${listed(unpausedDags)}`,
          next: "crosswind cutover, or pause them",
        },
    {
      isMet: isQuiet,
      what: `the newest run on the source was ${lastRunAt ?? "never"}`,
      ...(isQuiet ? {} : { next: `wait until nothing has run there for ${QUIET_DAYS} days` }),
    },
    callers.length === 0
      ? { isMet: true, what: `nobody is in its audit log of the last ${QUIET_DAYS} days` }
      : {
          isMet: false,
          what: `in its audit log of the last ${QUIET_DAYS} days: ${listed(calls)}`,
          next: "point them to the target, and wait until nobody is; the scheduler itself and Crosswind's own calls count, too",
        },
    {
      what: "a last copy of its database is kept",
      next: "pg_dump --format=custom --file=airflow-last.dump, or the tool of its server",
    },
    { what: "the logs of its tasks are kept", next: "copy its log folder or bucket: crosswind does not move it" },
  ];
}
