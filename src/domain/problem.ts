/** How a run may go on after a problem: never, after somebody mended something, or by itself. */
export type Retry = "never" | "after-fix" | "automatic";

/** The facts a problem is told with: names and numbers, never a secret. */
export type Facts = Readonly<Record<string, unknown>>;

/**
 * An expected failure that the user can act on, declared once with {@link defineProblem}.
 *
 * @typeParam F the facts its sentences need
 */
export interface ProblemKind<F extends Facts> {
  /** Stable name, area first: `TARGET_NOT_INITIALISED`. */
  readonly code: string;
  /** One sentence: what happened, with names and numbers. */
  readonly what: (facts: F) => string;
  /** What has and has not changed on either side. */
  readonly safe: (facts: F) => string;
  /** One to three things to do; commands complete enough to paste. */
  readonly next: (facts: F) => readonly string[];
  readonly retry: Retry;
}

/** A problem as it is stored, sent and shown: the same shape in the state database, in `--json` and on a terminal. */
export interface ProblemReport {
  readonly code: string;
  readonly what: string;
  readonly safe: string;
  readonly next: readonly string[];
  readonly retry: Retry;
}

/** Thrown for expected failures. Match on `code`: one read back from the state database is no instance of this class. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly code: string;
  readonly report: ProblemReport;

  constructor(report: ProblemReport, options?: ErrorOptions) {
    super(`${report.code}: ${report.what}`, options);
    this.code = report.code;
    this.report = report;
  }
}

/** A declared problem: call it with its facts (and the cause, which is kept) to get the error to throw. */
export type ProblemMaker<F extends Facts> = ((facts: F, options?: { cause?: unknown; safe?: string }) => Problem) & {
  readonly kind: ProblemKind<F>;
};

/**
 * Declares a problem. The result is a function from facts to a throwable {@link Problem}.
 *
 * `safe` can be replaced at the time of throwing, because only the ledger knows what was already written.
 */
export function defineProblem<F extends Facts>(kind: ProblemKind<F>): ProblemMaker<F> {
  const make = (facts: F, options: { cause?: unknown; safe?: string } = {}): Problem =>
    new Problem(
      {
        code: kind.code,
        what: kind.what(facts),
        safe: options.safe ?? kind.safe(facts),
        next: kind.next(facts),
        retry: kind.retry,
      },
      options.cause === undefined ? undefined : { cause: options.cause },
    );
  return Object.assign(make, { kind });
}

/** True for a {@link Problem}, also for one that crossed a process or database boundary as plain data. */
export function isProblem(error: unknown): error is Problem {
  return error instanceof Error && "report" in error && typeof (error as { code?: unknown }).code === "string";
}
