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
}

export type History =
  | { readonly kind: "all" }
  | { readonly kind: "days"; readonly days: number }
  | { readonly kind: "runs"; readonly runs: number };

export const EVERYTHING: Selection = { dags: ["*"], entities: ["*"], history: { kind: "all" }, without: [] };

/** Reads `all`, `90d` or `100` (newest runs per DAG); undefined for anything else. */
export function parseHistory(text: string): History | undefined {
  if (text === "all") return { kind: "all" };
  const match = /^([1-9]\d{0,6})(d?)$/.exec(text);
  if (match === null) return undefined;
  const amount = Number(match[1]);
  return match[2] === "d" ? { kind: "days", days: amount } : { kind: "runs", runs: amount };
}
