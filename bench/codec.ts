import { randomBytes } from "node:crypto";
import { openCodec } from "../src/engine/copy/columns.ts";
import { query, withDatabase } from "../test/airflow/support/databases.ts";
import type { Bench } from "./contender.ts";
import { type Applied, applyOnce } from "./crosswind.ts";
import { describeMachine } from "./machine.ts";
import type { LaneResult } from "./report.ts";
import { benchFernetKey, pickleSource } from "./source.ts";

const VALUES = 1_000_000;
const SAMPLE = 100_000;
/** XComs and what they hang on. */
const ENTITIES = ["log_template", "dag", "dag_run", "task_instance", "xcom"];

interface Sample {
  readonly perSecond: number;
  readonly meanBytes: number;
}

/** The codec alone, in this process: what one core does when nothing else is to be done. */
async function codecAlone(serverUrl: string, source: string): Promise<Sample> {
  const rows = await query<{ value: Buffer }>(
    withDatabase(serverUrl, source),
    `select value from xcom order by dag_run_id, map_index limit ${SAMPLE}`,
  );
  const rewrite = openCodec("xcom-2-to-json", {});
  // Twice: the first pass is for the compiler. Nothing repeats within a pass that is still remembered in the next.
  let seconds = 0;
  for (let pass = 0; pass < 2; pass++) {
    const start = performance.now();
    for (const { value } of rows) rewrite(value);
    seconds = (performance.now() - start) / 1000;
  }
  const bytes = rows.reduce((sum, { value }) => sum + value.length, 0);
  return { perSecond: rows.length / seconds, meanBytes: bytes / rows.length };
}

function perSecond(applied: Applied): number {
  return VALUES / applied.xcomSeconds;
}

function asLine(applied: Applied, lanes: number): string {
  const xcom = applied.result.entities.find(({ entity }) => entity === "xcom");
  if (xcom?.rows !== VALUES) throw new Error(`${xcom?.rows} of ${VALUES} XComs were copied`);
  const rate = Math.round(perSecond(applied)).toLocaleString("en-US");
  return `- ${lanes === 1 ? "one lane" : `${lanes} lanes`}, through \`crosswind apply\`: ${rate} values/s (${applied.xcomSeconds.toFixed(1)} s), ${Math.round(applied.maxResidentMb)} MB resident`;
}

/** A million pickled XComs, no two alike, 2.10.5 -> 3.3.2: the lane in which Node touches every value, on one core. */
export async function benchCodecs(serverUrl: string): Promise<LaneResult> {
  const source = await pickleSource(serverUrl, VALUES);
  const targetFernetKey = `${randomBytes(32).toString("base64url")}=`;
  const bench: Bench = { serverUrl, source, finished: source, fernetKey: await benchFernetKey(), targetFernetKey };
  const one = await applyOnce(bench, { lanes: 1, entities: ENTITIES });
  const two = await applyOnce(bench, { lanes: 2, entities: ENTITIES });
  const alone = await codecAlone(serverUrl, source);
  return {
    title: "The codec lane: a million pickled XComs, no two alike, 2.10.5 -> 3.3.2",
    machine: await describeMachine(serverUrl),
    lines: [
      asLine(one, 1),
      asLine(two, 2),
      `- the codec alone, in memory, one core: ${Math.round(alone.perSecond).toLocaleString("en-US")} values/s; a value has ${Math.round(alone.meanBytes)} bytes on average`,
      "",
      "Counted from the last chunk of task instances to the last of XComs, so with everything that Postgres does for them: reading, and writing into the table.",
    ],
  };
}
