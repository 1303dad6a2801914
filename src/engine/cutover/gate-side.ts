import type { Switches } from "../../airflow/timetables/rules.ts";
import type { Control, DagState } from "../../ports/control.ts";
import type { Session } from "../../ports/database.ts";
import type { Side } from "../translate/translate.ts";
import type { DagInCode } from "./gate-code.ts";

/** What is read of a side at once for all DAGs. */
export interface ReadSide {
  readonly control: Control;
  readonly session: Session;
  readonly side: Side;
  readonly states: ReadonlyMap<string, DagState>;
  readonly inCode: ReadonlyMap<string, DagInCode>;
  /** As the side says; undefined where it does not. */
  readonly switches: Switches | undefined;
}
