/**
 * What a migration is to move. All parts are patterns with `*` and `?`; a leading `!` excludes; later patterns win.
 *
 * `history`: every finished run, the runs of the last days, or the newest runs of each DAG.
 * `without`: single objects to leave out, as `entity:name` (`variable:legacy_token`).
 */
export interface Selection {
  readonly dags: readonly string[];
  readonly entities: readonly string[];
  readonly history: History;
  readonly without: readonly string[];
  /** What becomes of rows that both sides have with different values, by entity id. Default: `stop`. */
  readonly onConflict: Readonly<Record<string, ConflictChoice>>;
}

/** `stop`: nothing is written; `keep-target`: the target's row stays; `replace`: it becomes the source's, under the target's id. */
export type ConflictChoice = (typeof CONFLICT_CHOICES)[number];

export const CONFLICT_CHOICES = ["stop", "keep-target", "replace"] as const;

export type History =
  | { readonly kind: "all" }
  | { readonly kind: "days"; readonly days: number }
  | { readonly kind: "runs"; readonly runs: number };

export const EVERYTHING: Selection = {
  dags: ["*"],
  entities: ["*"],
  history: { kind: "all" },
  without: [],
  onConflict: {},
};

/** Reads `all`, `90d` or `100` (newest runs per DAG); undefined for anything else. */
export function parseHistory(text: string): History | undefined {
  if (text === "all") return { kind: "all" };
  const match = /^([1-9]\d{0,6})(d?)$/.exec(text);
  if (match === null) return undefined;
  const amount = Number(match[1]);
  return match[2] === "d" ? { kind: "days", days: amount } : { kind: "runs", runs: amount };
}

/** Reads `variable=keep-target`; undefined for anything else. */
export function parseConflictChoice(text: string): readonly [entity: string, choice: ConflictChoice] | undefined {
  const [entity = "", choice] = text.split("=", 2);
  const known = CONFLICT_CHOICES.find((each) => each === choice);
  return entity === "" || known === undefined ? undefined : [entity, known];
}
