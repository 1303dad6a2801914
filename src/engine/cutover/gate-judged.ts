import type { GateDag } from "./gate-facts.ts";

/** How a condition was found. */
export interface Judged {
  readonly state: "green" | "red" | "note";
  readonly what: string;
  /** What to do about it. Default: nothing. */
  readonly next?: readonly string[];
  /** The DAGs it is about. Default: none of them alone. */
  readonly dags?: readonly string[];
  readonly details?: readonly string[];
}

/** A DAG that does not meet a condition, and why: a phrase each. */
interface Failing {
  readonly dagId: string;
  readonly reasons: readonly string[];
}

interface Sentences {
  /** Where every DAG meets it. */
  readonly green: string;
  /** Where some do not. */
  readonly red: string;
  readonly next: readonly string[];
}

/** Judges DAG by DAG: red with those that `reasonsOf` says something about. */
export function judgeEach(
  dags: readonly GateDag[],
  reasonsOf: (dag: GateDag) => readonly string[],
  { green, red, next }: Sentences,
): Judged {
  const failing = dags
    .map((dag): Failing => ({ dagId: dag.dagId, reasons: reasonsOf(dag) }))
    .filter(({ reasons }) => reasons.length > 0);
  if (failing.length === 0) return { state: "green", what: green };
  return {
    state: "red",
    what: `${red}: ${countDags(failing.length)}`,
    next,
    dags: failing.map(({ dagId }) => dagId),
    details: failing.map(({ dagId, reasons }) => `${dagId}: ${reasons.join(", ")}`),
  };
}

/** `1 DAG`, `3 DAGs`. */
export function countDags(count: number): string {
  return `${count} ${count === 1 ? "DAG" : "DAGs"}`;
}
