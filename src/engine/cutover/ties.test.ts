import { expect, test } from "vitest";
import { assetTies, poolTies, tiesOf } from "./ties.ts";

function aDag(tasks: readonly object[], dependencies: readonly object[] = []): unknown {
  return { __version: 1, dag: { _dag_id: "here", tasks, dag_dependencies: dependencies } };
}

test("sensors, markers and triggers tie, as plain tasks, as wrapped ones and as mapped ones", () => {
  const data = aDag([
    { _task_type: "ExternalTaskSensor", task_id: "wait", external_dag_id: "up" },
    { __type: "operator", __var: { task_type: "ExternalTaskMarker", task_id: "mark", external_dag_id: "down" } },
    {
      _task_type: "TriggerDagRunOperator",
      _is_mapped: true,
      task_id: "go",
      partial_kwargs: { trigger_dag_id: "child" },
    },
    { _task_type: "EmptyOperator", task_id: "other", external_dag_id: "nobody" },
  ]);

  expect(tiesOf("here", data)).toEqual({
    ties: [
      { from: "up", to: "here", kind: "waits-for", by: "wait" },
      { from: "here", to: "down", kind: "marks", by: "mark" },
      { from: "here", to: "child", kind: "starts", by: "go" },
    ],
    open: [],
  });
});

test("what Airflow's own detector found of derived types ties, once", () => {
  const data = aDag(
    [{ _task_type: "ExternalTaskSensor", task_id: "wait", external_dag_id: "up" }],
    [
      { source: "up", target: "here", dependency_type: "sensor", dependency_id: "wait" },
      { source: "here", target: "derived", dependency_type: "trigger", dependency_id: "my_trigger" },
      { source: "here", target: "dataset", dependency_type: "dataset", dependency_id: "s3://x" },
    ],
  );

  expect(tiesOf("here", data).ties).toEqual([
    { from: "up", to: "here", kind: "waits-for", by: "wait" },
    { from: "here", to: "derived", kind: "starts", by: "my_trigger" },
  ]);
});

test("a DAG that is named by a template is an open tie", () => {
  const data = aDag([{ _task_type: "TriggerDagRunOperator", task_id: "go", trigger_dag_id: "{{ params.dag }}" }]);

  expect(tiesOf("here", data)).toEqual({ ties: [], open: [{ dagId: "here", taskId: "go", text: "{{ params.dag }}" }] });
});

test("a SubDAG is tied to its parent", () => {
  expect(tiesOf("a.b.c", aDag([])).ties).toEqual([{ from: "a.b", to: "a.b.c", kind: "subdag", by: "c" }]);
});

test("every producer of an asset is tied to every consumer, and none to itself", () => {
  const ties = assetTies([{ uri: "u", producers: ["a", "b"], consumers: ["b", "c"] }]);

  expect(ties.map(({ from, to }) => `${from}>${to}`)).toEqual(["a>b", "a>c", "b>c"]);
});

test("a pool ties the DAGs that use it only where its slots are few", () => {
  const uses = [
    { pool: "one_writer", slots: 1, dagIds: ["a", "b", "c"] },
    { pool: "wide", slots: 64, dagIds: ["a", "d"] },
    { pool: "default_pool", slots: 1, dagIds: ["a", "e"] },
    { pool: "endless", slots: -1, dagIds: ["a", "f"] },
  ];

  expect(poolTies(uses).map(({ from, to, by }) => `${from}>${to} ${by}`)).toEqual(["a>b one_writer", "a>c one_writer"]);
});

test("what is no serialised DAG ties nothing", () => {
  for (const data of [null, 7, [], {}, { dag: [] }, { dag: { tasks: "x", dag_dependencies: [null, 3] } }]) {
    expect(tiesOf("here", data)).toEqual({ ties: [], open: [] });
  }
});
