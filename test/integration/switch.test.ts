import { beforeEach, describe, expect, test } from "vitest";
import { anEnvironment, type Environment, migrate, type Ran } from "../support/an-environment.ts";
import { parseOnTarget, reviveBoth } from "../support/parse-on-target.ts";

const DAG = "cw_scheduled";

interface Line {
  readonly at: string;
  readonly state: string;
  readonly what: string;
}

function linesOf({ stderr }: Ran): readonly Line[] {
  return stderr
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Line);
}

/** What goes wrong while a DAG is switched, on recorded databases: the target's own word for its next run is there beforehand. */
describe("a switch", () => {
  const stack = new AsyncDisposableStack();
  let environment: Environment;

  beforeEach(async () => {
    environment = stack.use(await anEnvironment());
    await reviveBoth(environment);
    await environment.source.query(
      "update dag set is_paused = false, next_dagrun_create_after = null where dag_id = $1",
      [DAG],
    );
    await migrate(environment);
    await parseOnTarget(environment, DAG, { nextDay: "2024-03-04" });
    return () => environment[Symbol.asyncDispose]();
  });

  async function paused(): Promise<Readonly<Record<"source" | "target", unknown>>> {
    const of = async (side: "source" | "target") =>
      (await environment[side].query("select is_paused from dag where dag_id = $1", [DAG]))[0]?.["is_paused"];
    return { source: await of("source"), target: await of("target") };
  }

  /** Switches, and does something when a line comes whose state or words are these. */
  async function cutover(
    args: readonly string[] = [],
    at = "",
    act: () => Promise<unknown> = async () => {},
  ): Promise<Ran> {
    let acting: Promise<unknown> | undefined;
    const ran = await environment.run(["cutover", "--dag", DAG, "--yes", "--json", "--watch", "0", ...args], {
      onStderrLine: (line) => {
        if (at !== "" && line.startsWith("{") && line.includes(at)) acting ??= act();
      },
    });
    await acting;
    return ran;
  }

  const unpauseSource = () => environment.source.query("update dag set is_paused = false where dag_id = $1", [DAG]);

  test("somebody who unpauses the source in the middle has it begun again, and never both sides run", async () => {
    const ran = await cutover([], '"state":"paused"', unpauseSource);

    expect(ran.code, ran.output).toBe(0);
    expect(ran.json["dags"]).toMatchObject([{ dagId: DAG, state: "live" }]);
    expect(linesOf(ran).filter(({ what }) => what.includes("begun again"))).toHaveLength(1);
    expect(await paused()).toEqual({ source: true, target: false });
  });

  test("somebody who unpauses the source of a live DAG is noticed within seconds, and it is paused again", async () => {
    let unpausedAt = 0;
    const ran = await cutover(["--watch", "0.2"], "unpaused on the target", async () => {
      await unpauseSource();
      unpausedAt = Date.now();
    });

    const noticed = linesOf(ran).find(({ what }) => what.includes("somebody unpaused it on the source: paused again"));
    expect(Date.parse(noticed?.at ?? "") - unpausedAt, ran.output).toBeLessThan(5000);
    expect(await paused()).toEqual({ source: true, target: false });
  });

  test("a run that is stuck in running keeps its DAG on the source, and is named", async () => {
    await environment.source.query(
      "update dag_run set state = 'running', end_date = null where id = (select max(id) from dag_run where dag_id = $1)",
      [DAG],
    );

    const ran = await cutover(["--drain-timeout", "0.05"]);

    expect(ran.code, ran.output).toBe(3);
    expect(ran.json["dags"]).toMatchObject([
      { dagId: DAG, state: "restored", reason: expect.stringContaining("scheduled__2024-03-03") },
    ]);
    expect(await paused()).toEqual({ source: false, target: true });
  });

  test("a target that can only be read is told, and nothing is paused", async () => {
    const name = new URL(environment.target.url).pathname.slice(1);
    await environment.target.query(`alter database "${name}" set default_transaction_read_only = on`);

    const ran = await cutover();

    expect([ran.code, ran.problem?.code], ran.output).toEqual([1, "DATABASE_READ_ONLY"]);
    expect(await paused()).toEqual({ source: false, target: true });
  });

  test("who overrode which condition, and why, is in the record", async () => {
    await environment.source.query("delete from job");

    const ran = await cutover(["--override", "scheduler-heartbeat=it is switched off, CHG-7"]);

    expect(ran.code, ran.output).toBe(0);
    const [line] = await environment.target.query(
      "select who, what from crosswind.cutover_event where what like '%CHG-7%'",
    );
    expect(line).toMatchObject({
      what: expect.stringMatching(/^scheduler-heartbeat .* was overridden by .+: it is switched off, CHG-7$/),
    });
  });

  test("a held one brings rows, pauses nothing, and switches when it is given the word", async () => {
    const nobody = await environment.run(["cutover", "--go", "--json"]);
    let before: unknown;
    let word: Ran | undefined;

    const ran = await cutover(["--hold"], "waits for crosswind cutover --go", async () => {
      before = await paused();
      word = await environment.run(["cutover", "--go", "--json"]);
    });

    expect(nobody.problem?.code).toBe("CUTOVER_NOTHING_HELD");
    expect(before).toEqual({ source: false, target: true });
    expect(word?.json["went"], word?.output).toEqual([DAG]);
    expect(ran.json["dags"], ran.output).toMatchObject([{ dagId: DAG, state: "live" }]);
    expect(await paused()).toEqual({ source: true, target: false });
  });

  test("a dry run tells every statement that would be sent, and sends none", async () => {
    const shown = await environment.run(["cutover", "--dag", DAG, "--dry-run", "--drain-policy"]);

    const told = [
      `source: insert into variable (key, val, is_encrypted) values ('crosswind_end_dates', '{"${DAG}"`,
      `source: update dag set is_paused = true where (dag_id = '${DAG}' or root_dag_id = '${DAG}')`,
      "target: what changed of its rows since the last copy, in one transaction",
      "target: insert into dag_priority_parsing_request",
      `target: update dag set is_paused = false where dag_id = '${DAG}'`,
    ];
    const places = told.map((each) => shown.text.indexOf(each));
    expect(
      places.toSorted((a, b) => a - b),
      shown.output,
    ).toEqual(places);
    expect(places[0]).toBeGreaterThan(0);
    expect(await paused()).toEqual({ source: false, target: true });
  });

  test("rows that were deleted on the source keep a DAG there, or stay on the target where somebody says so", async () => {
    await environment.source.query("delete from dag_run where id = (select min(id) from dag_run where dag_id = $1)", [
      DAG,
    ]);

    const kept = await cutover();
    const switched = await cutover(["--keep-deleted"]);

    expect(kept.code, kept.output).toBe(3);
    expect(kept.json["dags"]).toMatchObject([{ state: "restored", reason: expect.stringContaining("--keep-deleted") }]);
    expect([switched.code, switched.json["dags"]], switched.output).toMatchObject([0, [{ state: "live" }]]);
  });
});
