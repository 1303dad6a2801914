import { defineProblem } from "../../domain/problem.ts";

const NOTHING = "nothing was written on either side.";

export const sqliteFileMissing = defineProblem<{ file: string; reason: string }>({
  code: "SQLITE_FILE_MISSING",
  what: ({ file, reason }) => `there is no SQLite file to read at ${file}: ${reason}.`,
  safe: () => NOTHING,
  next: () => [
    "check the path in source.database: three slashes for one relative to crosswind.yaml (sqlite:///airflow.db), four for an absolute one (sqlite:////opt/airflow/airflow.db)",
    "airflow config get-value database sql_alchemy_conn    on the source says where it is",
    "in WAL mode the folder must be writable for this user while Airflow is stopped: SQLite keeps a file beside the database there",
  ],
  retry: "after-fix",
});

export const sqliteNoDatabase = defineProblem<{ file: string; reason: string }>({
  code: "SQLITE_NOT_A_DATABASE",
  what: ({ file, reason }) => `the file ${file} can not be read as a SQLite database: ${reason}.`,
  safe: () => NOTHING,
  next: () => ["give the metadata database itself, as Airflow has it open; an encrypted one must be decrypted first"],
  retry: "after-fix",
});

export const sqliteCorrupt = defineProblem<{ file: string; reason: string }>({
  code: "SQLITE_CORRUPT",
  what: ({ file, reason }) => `the SQLite database ${file} is damaged: ${reason}.`,
  safe: () => NOTHING,
  next: ({ file }) => [
    `sqlite3 '${file.replaceAll("'", "'\\''")}' 'pragma integrity_check'    says where`,
    `sqlite3 '${file.replaceAll("'", "'\\''")}' .recover | sqlite3 recovered.db    saves what can be read`,
  ],
  retry: "after-fix",
});

export const sqliteLocked = defineProblem<{ file: string; reason: string }>({
  code: "SQLITE_LOCKED",
  what: ({ file, reason }) => `the SQLite database ${file} is locked by another process: ${reason}.`,
  safe: () => NOTHING,
  next: () => ["stop Airflow, or whatever writes to it, for as long as it is read; then run the same command"],
  retry: "automatic",
});
