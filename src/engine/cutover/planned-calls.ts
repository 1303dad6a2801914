import type { Control } from "../../ports/control.ts";
import type { SideName } from "./automated-run.ts";
import type { GateDag } from "./gate-facts.ts";

/** One call that a switch makes, in the order in which they are made. */
export interface PlannedCall {
  readonly dagId: string;
  readonly side: SideName;
  /** The statement or request; for rows that are brought, a sentence. */
  readonly call: string;
  /** What is waited for before it. */
  readonly when: string;
}

interface Planned {
  readonly controls: Readonly<Record<SideName, Control>>;
  /** Whether the source has the drain policy. */
  readonly endsDags: boolean;
}

/** Everything that a switch of a DAG would write, where all goes well; reads are left out. A DAG that a side lacks is not switched. */
export function plannedCalls(
  { dagId, source, target }: GateDag,
  { controls, endsDags }: Planned,
): readonly PlannedCall[] {
  if (source === undefined || target === undefined) return [];
  const isRunning = !source.state.isPaused;
  const of = (side: SideName, call: string, when: string): PlannedCall => ({ dagId, side, call, when });
  return [
    ...(isRunning && endsDags
      ? [of("source", controls.source.explain("end-date", dagId), "where it has no gap between its runs")]
      : []),
    ...(isRunning ? [of("source", controls.source.explain("pause", dagId), "in a gap between its runs")] : []),
    of("target", "what changed of its rows since the last copy, in one transaction", "nothing runs on the source"),
    ...(controls.target.can.requestParse
      ? [of("target", controls.target.explain("request-parse", dagId), "every row is equal")]
      : []),
    ...(isRunning
      ? [of("target", controls.target.explain("unpause", dagId), "its next run follows, and the source is read paused")]
      : []),
  ];
}
