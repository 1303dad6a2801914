/** How much a finding weighs: `blocker` stops `apply`, `warning` wants a look, `note` is for the record. */
export type Severity = "blocker" | "warning" | "note";

/**
 * A result of a check: data, collected, never thrown.
 *
 * `subjects` names the objects it is about (`variable:legacy_token`), at most a screenful; `count` is how many there are in all.
 */
export interface Finding {
  readonly code: string;
  readonly severity: Severity;
  readonly what: string;
  readonly next: readonly string[];
  readonly entity?: string;
  readonly subjects?: readonly string[];
  readonly count?: number;
}
