/** What goes into a new `crosswind.yaml`: references, never secrets. */
export interface Answers {
  readonly sourceDatabase: string;
  readonly sourceFernetKey: string;
  readonly targetDatabase: string;
  readonly targetFernetKey: string;
  readonly dags: readonly string[];
  readonly history: string;
}

/** Where editors find the schema, relative to the configuration. */
export const SCHEMA_PATH = ".crosswind/crosswind.schema.json";

/** A text as YAML: as it is where that is safe, else in double quotes. */
function scalar(text: string): string {
  return /^(\$\{(env|file):[\w./-]+\}|file:[\w./-]+|postgresql:\/\/[\w./:@-]+|\d+d|[a-z]+)$/.test(text)
    ? text
    : JSON.stringify(text);
}

/** The text of a new `crosswind.yaml`. */
export function configText(answers: Answers): string {
  const dags = answers.dags.map((pattern) => JSON.stringify(pattern)).join(", ");
  return `# yaml-language-server: $schema=${SCHEMA_PATH}
#
# Passwords and keys are references: \${env:NAME} for an environment variable, file:PATH for a file (relative to this one).
# What each setting is and where it came from: crosswind config show

source:
  # postgresql://USER:PASSWORD@HOST:PORT/DATABASE, as in [database] sql_alchemy_conn of that Airflow. It is only read.
  database: ${scalar(answers.sourceDatabase)}
  # [core] fernet_key of that Airflow: one key, or several separated by commas, newest first.
  fernetKey: ${scalar(answers.sourceFernetKey)}

target:
  # Its schema must be there already: airflow db migrate
  database: ${scalar(answers.targetDatabase)}
  fernetKey: ${scalar(answers.targetFernetKey)}

select:
  # Patterns with * and ?; a leading ! excludes; later ones win.
  dags: [${dags}]
  # all, the last days (90d), or the newest runs of each DAG (100).
  history: ${/^\d+$/.test(answers.history) ? answers.history : scalar(answers.history)}
  # Single objects to leave out, as variable:legacy_token.
  # without: []
  # Rows that both sides have with other values: stop, keep-target or replace, by kind of content.
  # onConflict: [variable=keep-target]

# Chunks copied at once.
# lanes: 2
# snapshotMinutes: 60
`;
}
