import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, inject, onTestFinished, test } from "vitest";
import { DRAIN_POLICY } from "../../src/airflow/drain-policy.ts";
import { END_DATES_VARIABLE } from "../../src/domain/end-dates.ts";
import { busyFile } from "./support/cutover-environment.ts";
import { freshDatabase, query } from "./support/databases.ts";
import { ensureAirflow } from "./support/install.ts";
import { run } from "./support/processes.ts";
import type { ReleaseName } from "./support/releases.ts";

const KEY = "Zk3sV9yB2nQ7tLx4cM8wE1rU6oPa5dHj0gFqXiSbTvY=";
const END = "2025-02-01T00:00:00.123456Z";

/** What a scheduler of the release makes of the file: end dates by DAG, and what could not be imported. */
const PARSE = `
import json, os
from airflow.models import DagBag
bag = DagBag(os.environ["AIRFLOW__CORE__DAGS_FOLDER"], include_examples=False)
ends = {dag_id: dag.end_date and dag.end_date.isoformat() for dag_id, dag in bag.dags.items()}
print("PARSED " + json.dumps([ends, bag.import_errors]))
`;

/** 3.x parses in a process that asks the DAG processor: there it is tried with the whole environment, in test/nightly/cutover-drain.test.ts. */
const releases: readonly ReleaseName[] = ["1.10.15", "2.2.5"];

describe.each(releases)("the drain policy in a genuine %s", (release) => {
  test("ends the DAGs that the variable names, and never keeps a file from being imported", async () => {
    const install = await ensureAirflow(release);
    const name = `drain_policy_${release.replaceAll(".", "_")}`;
    await using database = await freshDatabase({ install, serverUrl: inject("postgresUrl"), name, fernetKey: KEY });
    const home = await mkdtemp(join(tmpdir(), "crosswind-policy-"));
    onTestFinished(() => rm(home, { recursive: true, force: true }));
    await mkdir(join(home, "config"));
    await mkdir(join(home, "dags"));
    await writeFile(join(home, "config", "airflow_local_settings.py"), DRAIN_POLICY);
    await copyFile(busyFile, join(home, "dags", "busy.py"));
    const extra = { AIRFLOW__CORE__DAGS_FOLDER: join(home, "dags"), CUTOVER_START: "2025-01-01T00:00" };
    const env = install.env({ databaseUrl: database.url, home, fernetKey: KEY, extra });
    const parse = async (value: string) => {
      await query(database.url, "delete from variable where key = $1", [END_DATES_VARIABLE]);
      const set = "insert into variable (key, val, is_encrypted) select $1, $2, false where $2 <> ''";
      await query(database.url, set, [END_DATES_VARIABLE, value]);
      const stdout = await run(install.python, ["-c", PARSE], { env, cwd: home });
      return JSON.parse(/PARSED (.*)/.exec(stdout)?.[1] ?? "null") as unknown;
    };

    const [unset, set, broken] = [await parse(""), await parse(JSON.stringify({ cut_due: END })), await parse("{")];

    const none = { cut_busy: null, cut_due: null };
    expect(unset).toEqual([none, {}]);
    expect(set).toEqual([{ ...none, cut_due: "2025-02-01T00:00:00.123456+00:00" }, {}]);
    expect(broken).toEqual([none, {}]);
  });
});
