import type { Problem } from "../../domain/problem.ts";
import { CONDITIONS, type ConditionId } from "./gate-conditions.ts";
import { type GateInput, readGateFacts } from "./gate-facts.ts";
import type { DagPreview } from "./gate-preview.ts";
import { type PlannedCall, plannedCalls } from "./planned-calls.ts";
import * as problems from "./problems.ts";

export type { GateInput } from "./gate-facts.ts";

/** `red` keeps DAGs from being switched until it is mended, or until somebody takes the responsibility: `overridden`. */
export type ConditionState = "green" | "red" | "note" | "overridden";

/** One condition of a switch, as it is now. */
export interface Condition {
  /** Stable, for `--override`. */
  readonly id: ConditionId;
  readonly title: string;
  readonly state: ConditionState;
  /** One sentence. */
  readonly what: string;
  /** What to do about it; none where it is green. */
  readonly next: readonly string[];
  /** The DAGs it is about; none where it is about a side, or green. */
  readonly dags: readonly string[];
  /** A line for each DAG or difference. */
  readonly details: readonly string[];
  /** Set where it is overridden. */
  readonly override?: { readonly who: string; readonly reason: string };
}

/** What has to hold before DAGs are switched, and what each of them will run next. */
export interface Gate {
  readonly conditions: readonly Condition[];
  readonly previews: readonly DagPreview[];
  /** What a switch would write, DAG by DAG, in order. */
  readonly calls: readonly PlannedCall[];
}

/**
 * Reads both sides and judges every condition; changes nothing. What is not met is told, not thrown; thrown are the problems of `Control` and
 * `Session` alone.
 */
export async function readGate(input: GateInput): Promise<Gate> {
  const facts = await readGateFacts(input);
  const conditions = CONDITIONS.map(({ id, title, judge }): Condition => {
    const { state, what, next = [], dags = [], details = [] } = judge(facts);
    return { id, title, state, what, next: state === "green" ? [] : next, dags, details };
  });
  const { source, target, endsDags = false } = input;
  const calls = facts.dags.flatMap((dag) => plannedCalls(dag, { controls: { source, target }, endsDags }));
  return { conditions, previews: facts.dags.map(({ preview }) => preview), calls };
}

/** A red condition that somebody takes the responsibility for. */
export interface Override {
  readonly condition: string;
  readonly reason: string;
}

/**
 * The gate with red conditions overridden by a named person; what is not red stays as it is. Throws CUTOVER_CONDITION_UNKNOWN for a name that no
 * condition has, and CUTOVER_REASON_MISSING.
 */
export function override(gate: Gate, overrides: readonly Override[], who: string): Gate {
  const refused = overrides.map((each) => refusalOf(gate, each)).find((each) => each !== undefined);
  if (refused !== undefined) throw refused;
  const reasons = new Map(overrides.map(({ condition, reason }) => [condition, reason.trim()]));
  const conditions = gate.conditions.map((each): Condition => {
    const reason = reasons.get(each.id);
    return each.state !== "red" || reason === undefined
      ? each
      : { ...each, state: "overridden", override: { who, reason } };
  });
  return { ...gate, conditions };
}

function refusalOf({ conditions }: Gate, { condition, reason }: Override): Problem | undefined {
  const known = conditions.map(({ id }) => id);
  if (!known.some((id) => id === condition)) {
    return problems.conditionUnknown({ condition, known: known.join(", ") });
  }
  return reason.trim() === "" ? problems.reasonMissing({ condition }) : undefined;
}

/** The conditions that keep the gate closed; none: it is open. */
export function redConditions({ conditions }: Gate): readonly Condition[] {
  return conditions.filter(({ state }) => state === "red");
}
