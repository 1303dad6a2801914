import { settingFields } from "../../contract/config.ts";

/** Flags of commands that take a selection: spread it into their options. A flag replaces the file's setting; `without` and `onConflict` add to it. */
export const selectionOptions = {
  dag: settingFields.dags.optional().describe("only these DAGs: patterns with * and ?, a leading ! excludes"),
  history: settingFields.history.optional().describe("all, the last days (90d), or the newest runs of each DAG (100)"),
  entity: settingFields.entities.optional().describe("only these kinds of content (connection, xcom, log, ...)"),
  without: settingFields.without.optional().describe("leave out a single object, as variable:legacy_token"),
  onConflict: settingFields.onConflict
    .optional()
    .describe(
      "rows that both sides have with other values: ENTITY=stop, keep-target or replace, as variable=keep-target",
    ),
};

/** Flag of commands that use the state database. */
export const stateOption = {
  state: settingFields.state.optional().describe("the Postgres that the state of runs is in; default: as configured"),
};

/** Settings as flags gave them; a flag that was not used is undefined or absent. */
export interface ConfigFlags {
  readonly dag?: readonly string[] | undefined;
  readonly history?: string | undefined;
  readonly entity?: readonly string[] | undefined;
  readonly without?: readonly string[] | undefined;
  readonly onConflict?: readonly string[] | undefined;
  /** A Postgres URL for the state of runs; a password in it must be a reference. */
  readonly state?: string | undefined;
  readonly lanes?: number | undefined;
}
