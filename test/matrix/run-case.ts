import { apply } from "../../src/app/apply.ts";
import { plan } from "../../src/app/plan.ts";
import { verifyEnvironment } from "../../src/app/verify.ts";
import type { Config } from "../../src/domain/config.ts";
import type { Plan } from "../../src/domain/plan.ts";
import { Secret } from "../../src/domain/secret.ts";
import { EVERYTHING } from "../../src/domain/selection.ts";
import { contentDatabase, emptyDatabase, SOURCE_KEY, TARGET_KEY, urlOf } from "./databases.ts";
import { type Case, nameOf } from "./environments.ts";
import { type MatrixSide, type Proof, prove } from "./prove.ts";

/** How one case went. A failure of any part is a line of `failures`. */
export interface CaseResult {
  readonly name: string;
  readonly rows: number;
  readonly entities: number;
  readonly leftBehind: readonly string[];
  readonly failures: readonly string[];
  readonly proof?: Proof;
  readonly seconds: number;
}

export interface RunOptions {
  /** Any database of a Postgres whose user may create databases. */
  readonly serverUrl: string;
  /** A database for the state of the runs. */
  readonly stateUrl: string;
  /** Gets the last target between its copy and its proof: how a test shows that the proof sees damage. */
  readonly damage?: (databaseUrl: string) => Promise<void>;
}

const VERSION = "matrix";

function configOf(from: MatrixSide, to: MatrixSide, stateUrl: string): Config {
  const side = (each: MatrixSide) => ({
    database: new Secret(each.databaseUrl),
    fernetKey: new Secret(each.fernetKey),
  });
  return {
    source: side(from),
    target: side(to),
    select: EVERYTHING,
    state: new Secret(stateUrl),
    lanes: 2,
    snapshotMinutes: 60,
  };
}

/** What a user does: plan, apply, verify. Gives the plan, and what was not as the plan said. */
async function migrate(config: Config): Promise<{ readonly plan: Plan; readonly failures: readonly string[] }> {
  const now = () => new Date();
  const signal = new AbortController().signal;
  const onEvent = (): void => {};
  const planned = await plan(config, { acceptLoss: true, now: now(), version: VERSION });
  const blockers = planned.findings.filter((finding) => finding.severity === "blocker");
  if (blockers.length > 0) {
    return { plan: planned, failures: blockers.map((each) => `plan: ${each.code} ${each.what}`) };
  }
  const actor = { who: "the matrix", host: "here" };
  const files = { planFile: "plan.json", homeDir: process.cwd() };
  const options = { plan: planned, ...files, version: VERSION, actor, now: now() };
  const ended = await apply(config, { ...options, signal, onEvent });
  if (ended.state !== "done") return { plan: planned, failures: ["apply: stopped before its end"] };
  const applied = new Map(ended.result.entities.map((each) => [each.entity, each.rows]));
  const uncounted = planned.entities
    .filter((each) => each.toCopy !== (applied.get(each.entity) ?? 0))
    .map((each) => `apply: ${each.entity}: planned ${each.toCopy}, copied ${applied.get(each.entity) ?? 0}`);
  const verified = await verifyEnvironment(config, { now, signal, onEvent });
  const differences = verified.differences.map((each) => `verify: ${each.entity} ${each.kind} ${each.label}`);
  return { plan: planned, failures: [...uncounted, ...differences] };
}

/** Nothing may go unsaid: what the plan does not copy it lists with a reason. */
function unsaid(planned: Plan): readonly string[] {
  return planned.entities
    .filter((each) => each.toCopy + each.leftBehind.reduce((sum, left) => sum + left.rows, 0) !== each.sourceRows)
    .map((each) => `plan: ${each.entity}: ${each.sourceRows} rows are not ${each.toCopy} and those left behind`);
}

/** The plan's count of rows against that of the independent rules. */
function miscounted(planned: Plan, proof: Proof): readonly string[] {
  return planned.entities.flatMap((each) => {
    const expected = proof.compared.rows[each.entity];
    // A skeleton is made for DAGs that are gone, too.
    if (expected === undefined || each.entity === "dag" || expected === each.toCopy) return [];
    return [`counts: ${each.entity}: planned ${each.toCopy}, expected ${expected}`];
  });
}

/** Values that a way there and back may change without a word of the plan, and why. */
const CHANGED: Readonly<Record<string, string>> = {
  "dag_run.conf": "a class of a company or a date is JSON after the way through 3.x; apply lists it as changed",
  "xcom.value": "the same",
  "dag_run.external_trigger": "NULL, which the API refuses",
  "slot_pool.slots": "NULL, which the API refuses",
  "variable.val": "NULL, which 3.x refuses",
  "task_instance.executor_config": "NULL, which the API refuses",
  "task_instance.hostname": "NULL, which the API refuses",
  "task_instance.unixname": "NULL, which the API refuses",
  "task_instance.max_tries": "NULL, which the API refuses",
  "task_instance.try_number": "NULL, which the API refuses",
  "task_instance.state": "shutdown and sensing, which newer releases do not know",
  "task_instance.next_kwargs": "another encoding from 3.2 on; only deferred tasks have a use for it",
  "task_instance_history.next_kwargs": "the same",
  "task_instance_history.task_display_name": "NULL, which 3.x refuses",
  "dag_run_note.user_id": "users are not copied",
  "task_instance_note.user_id": "users are not copied",
  "hitl_detail.assignees": "who is no user of the target is known there by name",
  "hitl_detail.responded_by": "the same",
  "hitl_detail_history.assignees": "the same",
  "hitl_detail_history.responded_by": "the same",
};

/** There and back gives back all but what one of the plans leaves behind. */
function unreturned(plans: readonly Plan[], proof: Proof): readonly string[] {
  const entities = new Set(
    plans.flatMap((each) => each.entities.filter((one) => one.leftBehind.length > 0).map((one) => one.entity)),
  );
  const fields = plans.flatMap((each) => each.findings.filter((finding) => finding.code === "FIELD_LOST"));
  const isSaid = (entity: string, column: string | undefined): boolean =>
    column === undefined
      ? entities.has(entity)
      : CHANGED[`${entity}.${column}`] !== undefined ||
        fields.some((finding) => finding.entity === entity && finding.what.includes(` values of ${column} `));
  return proof.compared.notGivenBack
    .filter((each) => {
      const [entity = "", column] = each.split(".");
      return !isSaid(entity, column);
    })
    .map((each) => `back: ${each} did not come back, and no plan said so`);
}

function failuresOf({ compared, orm, api }: Proof): readonly string[] {
  return [
    ...compared.differences.map(
      (each) =>
        `rows: ${each.entity} ${each.key} ${each.kind} ${each.column ?? ""} expected ${each.expected} found ${each.found}`,
    ),
    ...orm.failures.map((each) => `orm: ${each.model} ${each.key.join(" ")}: ${each.error}`),
    ...api.failures.map((each) => `api: ${each.status} ${each.path}: ${each.text}`),
  ];
}

/** What a plan says about rows and values that the target has no place for. */
function leftBehind(planned: Plan): readonly string[] {
  const rows = planned.entities.flatMap((each) =>
    each.leftBehind.map((left) => `${each.entity}: ${left.rows} rows: ${left.reason}`),
  );
  const values = planned.findings.filter((finding) => finding.code === "FIELD_LOST").map((finding) => finding.what);
  return [...rows, ...values];
}

/** Databases of one case: the source's content, and an empty one for each target. */
async function openSides(each: Case, serverUrl: string, resources: AsyncDisposableStack) {
  const content = await contentDatabase(each.source, serverUrl);
  const source: MatrixSide = { path: each.source, databaseUrl: urlOf(serverUrl, content), fernetKey: SOURCE_KEY };
  const targets: MatrixSide[] = [];
  for (const [index, path] of each.targets.entries()) {
    const name = `crosswind_matrix_target_${process.pid}_${index}`;
    const database = resources.use(await emptyDatabase(path, serverUrl, name));
    targets.push({ path, databaseUrl: database.url, fernetKey: index % 2 === 0 ? TARGET_KEY : SOURCE_KEY });
  }
  return { source, targets };
}

interface Course {
  readonly plans: Plan[];
  readonly failures: string[];
  proof?: Proof;
}

/** From the source through every target, and the proof of the last one. Stops at the first plan that is blocked. */
async function follow(
  course: Course,
  sides: Awaited<ReturnType<typeof openSides>>,
  options: RunOptions,
): Promise<void> {
  const { source, targets } = sides;
  for (const [index, target] of targets.entries()) {
    const done = await migrate(configOf(targets[index - 1] ?? source, target, options.stateUrl));
    course.plans.push(done.plan);
    course.failures.push(...done.failures, ...unsaid(done.plan));
    if (course.failures.some((failure) => failure.startsWith("plan:"))) return;
  }
  await options.damage?.(targets.at(-1)?.databaseUrl ?? "");
  course.proof = await prove(source, targets);
  const [first] = course.plans;
  const counted = course.plans.length > 1 || first === undefined ? [] : miscounted(first, course.proof);
  course.failures.push(...counted, ...unreturned(course.plans, course.proof), ...failuresOf(course.proof));
}

/** Runs one case from its source's content to the proof of its last target. Whatever goes wrong is in its failures. */
export async function runCase(each: Case, options: RunOptions): Promise<CaseResult> {
  await using resources = new AsyncDisposableStack();
  const course: Course = { plans: [], failures: [] };
  let start = performance.now();
  try {
    const sides = await openSides(each, options.serverUrl, resources);
    start = performance.now();
    await follow(course, sides, options);
  } catch (error) {
    course.failures.push(`stopped: ${error instanceof Error ? error.message : String(error)}`);
  }
  const entities = course.plans.at(-1)?.entities.filter((entity) => entity.toCopy > 0) ?? [];
  return {
    name: nameOf(each),
    rows: entities.reduce((sum, entity) => sum + entity.toCopy, 0),
    entities: entities.length,
    leftBehind: course.plans.flatMap(leftBehind),
    failures: course.failures,
    ...(course.proof === undefined ? {} : { proof: course.proof }),
    seconds: (performance.now() - start) / 1000,
  };
}
