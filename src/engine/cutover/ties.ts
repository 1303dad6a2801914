import { isJson, type Json, unwrap } from "../../airflow/timetables/read-timetable.ts";

/** Why two DAGs belong together: one reads, starts, waits for or is part of the other, or both wait for the same few slots. */
export type TieKind = "waits-for" | "marks" | "starts" | "asset" | "subdag" | "pool";

/** Two DAGs that belong together. What happens in `from` is seen, or done, in `to`. */
export interface Tie {
  readonly from: string;
  readonly to: string;
  readonly kind: TieKind;
  /** The task, asset or pool that ties them. */
  readonly by: string;
}

/** A tie whose other end is worked out when the task runs: nobody can say before which DAG it is. */
export interface OpenTie {
  readonly dagId: string;
  readonly taskId: string;
  /** As the DAG file has it: a template. */
  readonly text: string;
}

/** What one serialised DAG says about others. */
export interface DagTies {
  readonly ties: readonly Tie[];
  readonly open: readonly OpenTie[];
}

/** How a task type of Airflow names another DAG: in which field, and which of both comes first. */
interface TaskTie {
  readonly field: string;
  readonly kind: TieKind;
  readonly otherIs: "from" | "to";
}

/**
 * Task types that name another DAG, in their template fields, which every release serialises. A type that the DAG file derives from one of
 * these is found through `dag_dependencies` (2.0 and later), where Airflow's own detector has seen it.
 */
const TASK_TIES: Readonly<Record<string, TaskTie>> = {
  ExternalTaskSensor: { field: "external_dag_id", kind: "waits-for", otherIs: "from" },
  ExternalTaskSensorAsync: { field: "external_dag_id", kind: "waits-for", otherIs: "from" },
  ExternalTaskMarker: { field: "external_dag_id", kind: "marks", otherIs: "to" },
  TriggerDagRunOperator: { field: "trigger_dag_id", kind: "starts", otherIs: "to" },
};

/** `dependency_type` of `dag_dependencies`; assets come from the tables, which also know those of other releases' form. */
const DEPENDENCY_KINDS: Readonly<Record<string, TieKind>> = { sensor: "waits-for", trigger: "starts" };

/**
 * The ties of one DAG by its parsed `serialized_dag.data`. Source: `DependencyDetector` and `SerializedBaseOperator` of
 * airflow.serialization.serialized_objects, 1.10.15 to 3.3.
 */
export function tiesOf(dagId: string, data: unknown): DagTies {
  const dag = isJson(data) && isJson(data["dag"]) ? data["dag"] : {};
  const tasks = listOf(dag["tasks"]).map(fieldsOf);
  const found = tasks.flatMap((task) => taskTie(dagId, task));
  const detected = listOf(dag["dag_dependencies"]).flatMap((each) => (isJson(each) ? dependencyTie(each) : []));
  const ties = [...found, ...detected, ...subDagTie(dagId)].filter((tie) => tie.from !== tie.to);
  return {
    ties: unique(ties.filter((tie) => !isTemplate(tie.from) && !isTemplate(tie.to))),
    open: ties.flatMap((tie) => [tie.from, tie.to].filter(isTemplate).map((text) => ({ dagId, taskId: tie.by, text }))),
  };
}

function listOf(value: unknown): readonly unknown[] {
  const plain = unwrap(value);
  return Array.isArray(plain) ? plain : [];
}

/** A task's fields; what a mapped task is declared with counts, too. */
function fieldsOf(task: unknown): Json {
  const fields = unwrap(task);
  if (!isJson(fields)) return {};
  const declared = unwrap(fields["partial_kwargs"]);
  return isJson(declared) ? { ...declared, ...fields } : fields;
}

function taskTie(dagId: string, task: Json): readonly Tie[] {
  const tie = TASK_TIES[String(task["_task_type"] ?? task["task_type"])];
  const other = tie === undefined ? undefined : unwrap(task[tie.field]);
  if (tie === undefined || typeof other !== "string") return [];
  const by = String(unwrap(task["task_id"]));
  const ends = tie.otherIs === "from" ? { from: other, to: dagId } : { from: dagId, to: other };
  return [{ ...ends, kind: tie.kind, by }];
}

function dependencyTie(dependency: Json): readonly Tie[] {
  const kind = DEPENDENCY_KINDS[String(dependency["dependency_type"])];
  if (kind === undefined) return [];
  const [from, to] = [textOf(dependency["source"]), textOf(dependency["target"])];
  return [{ from, to, kind, by: textOf(dependency["dependency_id"]) }];
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** `parent.child`: the id alone makes a SubDAG, and every part of it runs inside the parent. */
function subDagTie(dagId: string): readonly Tie[] {
  const parent = dagId.slice(0, Math.max(0, dagId.lastIndexOf(".")));
  return parent === "" ? [] : [{ from: parent, to: dagId, kind: "subdag", by: dagId.slice(parent.length + 1) }];
}

function isTemplate(text: string): boolean {
  return /\{\{|\{%/.test(text);
}

function unique(ties: readonly Tie[]): readonly Tie[] {
  return [...new Map(ties.map((tie) => [JSON.stringify([tie.from, tie.to, tie.kind, tie.by]), tie])).values()];
}

/** Who writes and who reads an asset (a dataset before 3.0). */
export interface AssetUse {
  readonly uri: string;
  readonly producers: readonly string[];
  readonly consumers: readonly string[];
}

/** Ties from every producer of an asset to every DAG that it starts. */
export function assetTies(uses: readonly AssetUse[]): readonly Tie[] {
  return uses.flatMap(({ uri, producers, consumers }) =>
    producers.flatMap((from) =>
      consumers.flatMap((to): readonly Tie[] => (from === to ? [] : [{ from, to, kind: "asset", by: uri }])),
    ),
  );
}

/** Which DAGs take slots of a pool. */
export interface PoolUse {
  readonly pool: string;
  readonly slots: number;
  readonly dagIds: readonly string[];
}

/** As many slots as most pools with a purpose (one writer, few connections) have at most; more are there for everybody. */
const FEW_SLOTS = 4;

/**
 * Ties between DAGs that share a pool of few slots: split over both environments, each side would give out all of them. The default pool
 * never ties.
 */
export function poolTies(uses: readonly PoolUse[]): readonly Tie[] {
  return uses
    .filter(({ pool, slots }) => pool !== "default_pool" && slots > 0 && slots <= FEW_SLOTS)
    .flatMap(({ pool, dagIds: [first, ...others] }) =>
      first === undefined ? [] : others.map((to): Tie => ({ from: first, to, kind: "pool", by: pool })),
    );
}
