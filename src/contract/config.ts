import { z } from "zod";

const REFERENCE_HINT =
  "A reference: ${env:NAME} for an environment variable, file:PATH for a file beside this one; ${env:NAME} and ${file:PATH} also inside a longer text.";

function text(description: string): z.ZodString {
  return z.string({ error: "must be text" }).min(1, { error: "must not be empty" }).describe(description);
}

function patterns(description: string): z.ZodArray<z.ZodString> {
  return z
    .array(z.string({ error: "must be text" }).min(1, { error: "must not be empty" }), {
      error: 'must be a list, as ["*", "!tmp_*"]',
    })
    .min(1, { error: "must not be an empty list" })
    .describe(description);
}

const history = z
  .union([z.string(), z.number()], { error: "must be all, a number of days as 90d, or a number of runs as 100" })
  .transform(String)
  .pipe(
    z
      .string()
      .regex(/^(all|[1-9]\d{0,6}d?)$/, { error: "must be all, a number of days as 90d, or a number of runs as 100" }),
  )
  .describe(
    "How much history: all, the runs of the last days (90d), or the newest runs of each DAG (100). Default: all.",
  );

const without = z
  .array(
    z.string({ error: "must be text" }).regex(/^[a-z_]+:.+$/s, {
      error: "must be ENTITY:NAME, as variable:legacy_token",
    }),
    { error: "must be a list, as [variable:legacy_token]" },
  )
  .describe("Single objects to leave out, as ENTITY:NAME. Default: none.");

const onConflict = z
  .array(
    z.string({ error: "must be text" }).regex(/^[a-z_]+=(stop|keep-target|replace)$/, {
      error: "must be ENTITY=CHOICE, as variable=keep-target; a choice is stop, keep-target or replace",
    }),
    { error: "must be a list, as [variable=keep-target]" },
  )
  .describe(
    "What becomes of rows that both sides have with different values, as ENTITY=stop, ENTITY=keep-target or ENTITY=replace. Default: stop.",
  );

const lanes = z
  .int({ error: "must be a whole number" })
  .min(1, { error: "must be at least 1" })
  .max(32, { error: "must be at most 32" })
  .describe("Chunks copied at once, 1 to 32. Default: 2.");

const snapshotMinutes = z
  .int({ error: "must be a whole number" })
  .min(1, { error: "must be at least 1" })
  .max(1440, { error: "must be at most 1440" })
  .describe(
    "Minutes for which history is read from one read snapshot, 1 to 1440; then a new one is taken, so that the source's server can clean up. Default: 60.",
  );

const atLeastOne = (what: string) =>
  z.int({ error: "must be a whole number" }).min(1, { error: "must be at least 1" }).describe(what);

function isZone(zone: string): boolean {
  try {
    return Intl.DateTimeFormat("en", { timeZone: zone }).format(0) !== "";
  } catch {
    return false;
  }
}

const hours = z
  .string({ error: "must be text" })
  .regex(/^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d( \S+)?$/, {
    error: "must be FROM-TO with an optional time zone, as 20:00-06:00 Europe/Berlin",
  })
  .refine((given) => isZone(given.split(" ")[1] ?? "UTC"), { error: "ends with a time zone that is not known" })
  .describe("When chunks may begin, as 20:00-06:00 Europe/Berlin; without a zone UTC. Default: always.");

/** What is read of one setting, whether it comes from a flag, an environment variable or the file. */
export const settingFields = {
  database: text(
    `The metadata database: postgresql://USER:PASSWORD@HOST:PORT/DATABASE; as a source also mysql://USER:PASSWORD@HOST:PORT/DATABASE (MySQL, MariaDB) and sqlite:////PATH (with three slashes relative to this file). SQLAlchemy's driver suffixes are accepted. ${REFERENCE_HINT}`,
  ),
  fernetKey: text(
    `[core] fernet_key of that Airflow: one key or several separated by commas, newest first. Only as a reference. ${REFERENCE_HINT}`,
  ),
  apiUrl: text(
    "Where that Airflow's web server (3.x: api-server) answers, as https://HOST:PORT: its DAGs are paused and unpaused there. Default: in its database.",
  ),
  apiUsername: text("User of the API; goes with password."),
  apiPassword: text(`Password of the API, only as a reference. ${REFERENCE_HINT}`),
  limitConnections: atLeastOne("Chunks at once in this environment, of all workers together. Default: no limit."),
  limitRows: atLeastOne("Rows a second, of all workers together. Default: no limit."),
  limitMegabytes: z
    .number({ error: "must be a number" })
    .positive({ error: "must be more than 0" })
    .describe("Millions of bytes a second, of all workers together. Default: no limit."),
  limitHours: hours,
  apiToken: text(`Token of the API, in place of username and password, only as a reference. ${REFERENCE_HINT}`),
  dags: patterns('DAGs to move: patterns with * and ?; a leading ! excludes; later ones win. Default: ["*"].'),
  entities: patterns('Kinds of content to move, as patterns (connection, xcom, log, ...). Default: ["*"].'),
  history,
  without,
  onConflict,
  state: text(
    `A Postgres for the state of runs, shared by several machines. Default: an embedded one in .crosswind/. ${REFERENCE_HINT}`,
  ),
  staging: text(
    `A Postgres server for landing a source that is MySQL, MariaDB or SQLite; its role makes a database there. Default: an embedded one in .crosswind/. ${REFERENCE_HINT}`,
  ),
  lanes,
  snapshotMinutes,
};

function group<S extends z.ZodRawShape>(shape: S, description: string): z.ZodObject<S, z.core.$strict> {
  const names = Object.keys(shape).join(", ");
  return z.strictObject(shape, { error: `must be a group of settings: ${names}` }).describe(description);
}

function environment(side: string) {
  const { database, fernetKey, apiUrl, apiUsername, apiPassword, apiToken } = settingFields;
  const limits = {
    connections: settingFields.limitConnections,
    rowsPerSecond: settingFields.limitRows,
    megabytesPerSecond: settingFields.limitMegabytes,
    hours: settingFields.limitHours,
  };
  const api = { url: apiUrl, username: apiUsername, password: apiPassword, token: apiToken };
  return group(
    {
      database: database.optional(),
      fernetKey: fernetKey.optional(),
      api: group(api, "Control of that Airflow through its API.").partial().optional(),
      limits: group(limits, "What a run may take of this environment, all workers together.").partial().optional(),
    },
    `The ${side} environment.`,
  );
}

/**
 * `crosswind.yaml` as it is written, references unresolved. Unknown keys are errors. Everything is optional here, because a flag or an
 * environment variable may give it instead.
 */
export const configFile = group(
  {
    source: environment("source").optional(),
    target: environment("target").optional(),
    select: group(
      { dags: settingFields.dags, history, entities: settingFields.entities, without, onConflict },
      "What is moved.",
    )
      .partial()
      .optional(),
    state: settingFields.state.optional(),
    staging: settingFields.staging.optional(),
    lanes: lanes.optional(),
    snapshotMinutes: snapshotMinutes.optional(),
  },
  "Configuration of Crosswind.",
);

/** The JSON schema of `crosswind.yaml`, for editors. */
export function configJsonSchema(): Readonly<Record<string, unknown>> {
  return { title: "crosswind.yaml", ...z.toJSONSchema(configFile, { io: "input" }) };
}
