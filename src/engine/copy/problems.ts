import { defineProblem } from "../../domain/problem.ts";

const CHUNK =
  "the chunk was rolled back; every chunk before it is in the target and in the ledger, the source was not touched.";

export const copyTypesDiffer = defineProblem<{ entity: string; differences: string }>({
  code: "COPY_TYPES_DIFFER",
  what: ({ entity, differences }) =>
    `the translated rows of ${entity} do not have the types of the target's columns: ${differences}.`,
  safe: () => "nothing was written: the types are compared before the first byte.",
  next: () => [
    "one of the two schemas is not as its release makes it: `crosswind doctor` shows the differences",
    "report it with the output of `crosswind doctor --json`",
  ],
  retry: "never",
});

export const valueTooLong = defineProblem<{ entity: string; detail: string }>({
  code: "COPY_VALUE_TOO_LONG",
  what: ({ entity, detail }) => `a value of ${entity} is too long for the target: ${detail}.`,
  safe: () => CHUNK,
  next: () => [
    "crosswind plan names the rows",
    "shorten the value on the source or leave its DAG out: select.dags in crosswind.yaml",
  ],
  retry: "after-fix",
});

export const copyRejected = defineProblem<{ entity: string; chunk: string; detail: string }>({
  code: "COPY_ROWS_REJECTED",
  what: ({ entity, chunk, detail }) => `rows of ${entity} (chunk ${chunk}) were refused: ${detail}.`,
  safe: () => CHUNK,
  next: () => [
    "crosswind plan shows what is in the way now",
    "mend it, then run `crosswind apply` with the same plan: it goes on where it stopped",
  ],
  retry: "after-fix",
});

export const secretsUnreadable = defineProblem<{ entity: string; names: string }>({
  code: "SECRET_UNREADABLE",
  what: ({ entity, names }) => `none of the source's Fernet keys decrypts ${entity}: ${names}.`,
  safe: () => CHUNK,
  next: () => [
    "add the key they were encrypted with to source.fernetKey (newest first, separated by commas)",
    "or leave them out: crosswind plan --without ENTITY:NAME",
  ],
  retry: "after-fix",
});

export const indexesChanged = defineProblem<{ names: string }>({
  code: "TARGET_INDEXES_CHANGED",
  what: ({ names }) => `indexes or constraints of the target are not as they were before the copy: ${names}.`,
  safe: () => "all rows are in the target; the definitions as they were are in the table crosswind.taken_off there.",
  next: () => ["compare them with crosswind.taken_off and mend them by hand", "crosswind doctor"],
  retry: "after-fix",
});

export const applyUnderWay = defineProblem<{ where: string; command: string }>({
  code: "APPLY_UNDER_WAY",
  what: ({ where, command }) => `another ${command} is at work on the ${where}.`,
  safe: () => "nothing was written by this command; the other one goes on.",
  next: () => ["wait for it, or stop it (Ctrl-C), then run the same command: it goes on where the other one stopped"],
  retry: "after-fix",
});

export const targetSetBack = defineProblem<{ what: string }>({
  code: "TARGET_SET_BACK",
  what: ({ what }) =>
    `the target has lost ${what}: it was restored from an older backup since, or the migration was completed.`,
  safe: () => "nothing was written by this command but what the plan says; what the target has was not removed.",
  next: () => ["crosswind plan    makes a plan of what is missing there now; rows that are there are left alone"],
  retry: "never",
});

const NOTHING_REMOVED = "nothing was removed.";

export const removeNeedsPostgres = defineProblem<{ target: string }>({
  code: "CANCEL_REMOVE_NEEDS_POSTGRES",
  what: ({ target }) => `copied rows can be removed from a target on Postgres alone, and the ${target} is none.`,
  safe: () => NOTHING_REMOVED,
  next: () => ["crosswind cancel    gives up switches that are under way; what was copied stays"],
  retry: "never",
});

export const removeOfLiveDags = defineProblem<{ dags: string }>({
  code: "CANCEL_REMOVE_OF_LIVE_DAGS",
  what: ({ dags }) => `DAGs are live on the target, and its rows of them count: ${dags}.`,
  safe: () => NOTHING_REMOVED,
  next: () => ["crosswind reverse    takes them back, with the work done since; then run this command again"],
  retry: "after-fix",
});

export const nothingToRemove = defineProblem<{ target: string }>({
  code: "CANCEL_NOTHING_COPIED",
  what: ({ target }) => `the ledger of the ${target} knows no copy from this source.`,
  safe: () => NOTHING_REMOVED,
  next: () => ["check target.database in crosswind.yaml: crosswind config show"],
  retry: "never",
});

export const lifeOver = defineProblem<{ run: string }>({
  code: "RUN_LIFE_OVER",
  what: ({ run }) => `run ${run} goes on from another read snapshot than this chunk was to be read from.`,
  safe: () => CHUNK,
  next: () => ["nothing: whoever works for the run now does the chunk"],
  retry: "automatic",
});

export const interrupted = defineProblem<{ plan: string }>({
  code: "RUN_INTERRUPTED",
  what: () => "the run was stopped before its end.",
  safe: () =>
    "finished chunks are in the target and in the ledger, unfinished ones were rolled back; the source was not touched.",
  next: ({ plan }) => [`crosswind apply ${plan}    goes on where it stopped`],
  retry: "after-fix",
});

/** What of a server's error is looked at. Source: node-postgres `DatabaseError`. */
interface ServerError {
  readonly code?: string;
  readonly message?: string;
  readonly detail?: string;
  readonly column?: string;
  readonly where?: string;
}

/** Unique and foreign keys: their detail quotes the key alone. That of the others quotes the whole row. */
const QUOTES_A_KEY: ReadonlySet<string> = new Set(["23503", "23505"]);

/** What a server said, without the value that it may quote: `invalid input syntax for type integer: "..."`. */
function withoutValue(message: string): string {
  return (message.split(/: ?"|\n/)[0] ?? message).trim();
}

/** COPY names the place and quotes the line behind it: `COPY xcom, line 3, column value: "..."`. */
function placeOf({ column, where }: ServerError): string {
  const inCopy = /^COPY (\w+), line \d+(?:, column (\w+))?/m.exec(where ?? "");
  const inFunction = /function ([\w.]+)\(/.exec(where ?? "");
  if (inCopy?.[2] !== undefined) return ` (column ${inCopy[2]})`;
  if (column !== undefined) return ` (column ${column})`;
  return inFunction === null ? "" : ` (function ${inFunction[1]})`;
}

/** The problem that a server's refusal of rows is, told without any of their values; anything else comes back as it is. */
export function rejection(error: unknown, at: { readonly entity: string; readonly chunk: string }): unknown {
  const server = error as ServerError;
  const { code = "", message = "", detail } = server;
  const place = placeOf(server);
  const options = { cause: error };
  if (code === "22001") return valueTooLong({ entity: at.entity, detail: `${message}${place}` }, options);
  if (/^(22|54)...$/.test(code)) return copyRejected({ ...at, detail: `${withoutValue(message)}${place}` }, options);
  if (/^23...$/.test(code)) {
    const key = QUOTES_A_KEY.has(code) && detail !== undefined ? ` (${detail.split("\n")[0]})` : "";
    return copyRejected({ ...at, detail: `${message}${key}` }, options);
  }
  // Raised by a trigger of the target's own: its message is anybody's, and may quote the row.
  if (/^P0...$/.test(code)) {
    return copyRejected({ ...at, detail: `a trigger of the target raised SQLSTATE ${code}${place}` }, options);
  }
  return error;
}
