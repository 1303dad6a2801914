/** Settings that make the text of a value the same on every server, whatever its configuration. */
const PINNED: Readonly<Record<string, string>> = {
  TimeZone: "UTC",
  DateStyle: "ISO,YMD",
  IntervalStyle: "postgres",
  extra_float_digits: "3",
  bytea_output: "hex",
  standard_conforming_strings: "on",
  search_path: "public",
  statement_timeout: "0",
  idle_in_transaction_session_timeout: "0",
  // A server that nobody answers any more lets go of its locks after two minutes; the system's own default is two hours.
  tcp_keepalives_idle: "30",
  tcp_keepalives_interval: "10",
  // Nobody's setting: it tells whether these arrived.
  "crosswind.pinned": "yes",
};

/**
 * Joins of a chunk with the runs stay in memory: with the default of 4 MB half of them went through files and took twice as long. Compiling
 * a query takes longer than it saves on a chunk.
 */
const TUNED: Readonly<Record<string, string>> = { work_mem: "64MB", jit: "off" };

/** Timeouts that not every server knows can not be among what a session begins with. */
function lateSettings(isLocal: boolean): string {
  return `(select count(set_config(name, '0', ${isLocal})) from pg_settings where name in ('idle_session_timeout', 'transaction_timeout'))`;
}

/** What a connection begins with, as the server's startup option `options`. */
export function startupOptions(isReadOnly: boolean): string {
  const settings = { ...PINNED, ...TUNED, ...(isReadOnly ? { default_transaction_read_only: "on" } : {}) };
  return Object.entries(settings)
    .map(([name, value]) => `-c ${name}=${value}`)
    .join(" ");
}

/** Whether the settings arrived: a pooler hands out sessions of its own, without what the connection began with. */
export const ASSURE = `select coalesce(current_setting('crosswind.pinned', true), '') = 'yes' as pinned, ${lateSettings(false)}`;

/**
 * The same for one transaction that only reads: first of all in it, and after the read snapshot that it joins. None of these takes a snapshot of its own.
 */
export const LOCAL_SETTINGS = Object.entries({ ...PINNED, ...TUNED, transaction_read_only: "on" })
  .map(([name, value]) => `set local ${name} = '${value}'`)
  .join("; ");

/** After {@link LOCAL_SETTINGS}. */
export const LATE_LOCAL_SETTINGS = `select ${lateSettings(true)}`;
