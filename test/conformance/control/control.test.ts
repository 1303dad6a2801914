import { inspect } from "node:util";
import { afterAll, beforeAll, describe, expect, inject, test, vi } from "vitest";
import { openControl } from "../../../src/app/control.ts";
import { openDatabaseControl } from "../../../src/connectors/airflow-database/database-control.ts";
import { openPostgres } from "../../../src/databases/postgres/postgres.ts";
import type { ApiConfig, Config } from "../../../src/domain/config.ts";
import { Secret } from "../../../src/domain/secret.ts";
import { EVERYTHING } from "../../../src/domain/selection.ts";
import type { Control, IntervalSwitches } from "../../../src/ports/control.ts";
import type { ReleaseName } from "../../airflow/support/releases.ts";
import { cases, ready } from "./cases.ts";
import { type ControlledAirflow, PASSWORD, startControlled, USERNAME } from "./environment.ts";

interface Environment {
  readonly release: ReleaseName;
  /** What the API says of the two settings, where there is one; the environment's own are in `environment.ts`. */
  readonly switches?: IntervalSwitches;
}

const all: readonly Environment[] = [
  { release: "2.10.5", switches: { cron: true, delta: true } },
  { release: "3.3.2", switches: { cron: true, delta: false } },
  { release: "2.2.5", switches: { cron: true, delta: true } },
  { release: "3.0.6", switches: { cron: true, delta: false } },
  { release: "1.10.15" },
];

/** `AIRFLOW=2.2,3` picks releases by their beginning, `AIRFLOW=1,2,3` all of them. Default: the two with the most differences. */
const picked = (process.env["AIRFLOW"] ?? "2.10,3.3").split(",");
const environments = all.filter(({ release }) => picked.some((each) => release.startsWith(each)));

function configOf({ databaseUrl }: ControlledAirflow, api?: ApiConfig): Config {
  const side = { database: new Secret(databaseUrl) };
  const source = api === undefined ? side : { ...side, api };
  return { source, target: side, select: EVERYTHING, lanes: 2, snapshotMinutes: 60 };
}

async function throughApi(airflow: ControlledAirflow, password = PASSWORD): Promise<Control> {
  const api = { url: `${airflow.apiUrl}/`, username: USERNAME, password: new Secret(password) };
  return await openControl(configOf(airflow, api), "source", AbortSignal.timeout(60_000));
}

async function throughDatabase(airflow: ControlledAirflow): Promise<Control> {
  return await openControl(configOf(airflow), "source", AbortSignal.timeout(60_000));
}

describe.each(environments)("Airflow $release", ({ release, switches }) => {
  let airflow: ControlledAirflow;

  beforeAll(async () => {
    airflow = await startControlled(release, inject("postgresUrl"));
    await using control = await throughDatabase(airflow);
    await ready({ control, airflow });
  });

  afterAll(async () => {
    await airflow[Symbol.asyncDispose]();
  });

  const doors = [
    { door: "its API", open: throughApi },
    { door: "its database", open: throughDatabase },
  ].filter(({ open }) => switches !== undefined || open === throughDatabase);

  describe.each(doors)("through $door", ({ open }) => {
    let control: Control;

    beforeAll(async () => {
      control = await open(airflow);
    });

    afterAll(async () => {
      await control[Symbol.asyncDispose]();
    });

    test.for(cases)("$name", async ({ needs, run }, { skip }) => {
      if (needs !== undefined && control.can[needs] === false) skip(`this door can not: ${needs}`);
      await run({ control, airflow });
    });
  });

  test.runIf(switches !== undefined)("both doors tell the same", async () => {
    const signal = AbortSignal.timeout(60_000);
    await using api = await throughApi(airflow);
    await using database = await throughDatabase(airflow);

    const common = api.can.readNextRun
      ? {}
      : { lastParsedAt: null, nextRun: null, maxActiveRuns: null, maxActiveTasks: null };
    // The file may be parsed between the two readings: not in between those of the next time, too.
    const one = await vi.waitFor(
      async () => {
        const [told, other] = await Promise.all([api.readDags(signal), database.readDags(signal)]);
        expect(told).toEqual(other.map((dag) => ({ ...dag, ...common })));
        return told;
      },
      { timeout: 30_000, interval: 1000 },
    );
    const untold = {
      ...(api.can.readAllSettings ? {} : { endDate: null, isPausedUponCreation: null }),
      ...(api.can.readTimezone ? {} : { timezone: null }),
    };
    for (const { dagId } of one) {
      const { timetable: _, ...settings } = await database.readDagSettings(dagId, signal);
      expect(await api.readDagSettings(dagId, signal)).toEqual({ ...settings, ...untold });
    }
  });

  test.runIf(switches !== undefined)("the API tells the switches of data intervals", async () => {
    await using api = await throughApi(airflow);

    expect(await api.readIntervalSwitches(AbortSignal.timeout(60_000))).toEqual(switches);
  });

  test.runIf(switches !== undefined)("a wrong password is a problem that does not repeat it", async () => {
    const password = "canary-7Wq2-wrong";
    await using api = await throughApi(airflow, password);

    const error: unknown = await api.readDags(AbortSignal.timeout(60_000)).catch((each: unknown) => each);

    expect(error).toHaveProperty("code", "CONTROL_UNAUTHORISED");
    expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(password);
    expect(inspect(error, { depth: 20 })).not.toContain(Buffer.from(`${USERNAME}:${password}`).toString("base64"));
  });

  test("a write that waits too long is a problem, and is not done later either", async () => {
    await using locked = openPostgres({ url: new Secret(airflow.databaseUrl), name: "source" });
    const database = openPostgres({ url: new Secret(airflow.databaseUrl), name: "source" });
    await using control = openDatabaseControl({ side: "source", database, release, deadlineMs: 300 });
    await using session = await locked.session();
    const pausing = session.transaction(async () => {
      await session.query("select 1 from dag where dag_id = 'ctl_manual' for update");
      await expect(control.setPaused("ctl_manual", false, AbortSignal.timeout(60_000))).rejects.toThrow(
        /^CONTROL_DEADLINE: .*unpausing ctl_manual within 300 ms/,
      );
    });

    await pausing;

    const [dag] = await control.readDags(AbortSignal.timeout(60_000), ["ctl_manual"]);
    expect(dag?.isPaused).toBe(true);
  });
});
