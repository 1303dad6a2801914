import { expect, test } from "vitest";
import { fitForMariadb } from "../support/fit-for-mariadb.ts";
import { mariadbServer } from "../support/mariadb.ts";
import { aMariadbTarget, aMariadbTargetEnvironment } from "../support/mariadb-target.ts";
import { ensureAirflow } from "./support/install.ts";
import { readEverything } from "./support/proofs.ts";

/** Airflow 3 reads MySQL with mysqlclient alone, which has to be compiled: 2.10.5, and what it wrote there itself. */
test("a genuine Airflow on MariaDB reads every copied row", async () => {
  const install = await ensureAirflow("2.10.5");
  await using server = await mariadbServer();
  await using target = await aMariadbTarget(server);
  await using environment = await aMariadbTargetEnvironment(target);
  await fitForMariadb(environment.source);
  const fernetKey = environment.variables["TARGET_FERNET_KEY"] ?? "";
  await environment.plan();
  const applied = await environment.apply();
  expect(applied.code, applied.output).toBe(0);

  const reading = await readEverything({ install, databaseUrl: target.url, fernetKey });

  // Pickles are read where the configuration allows it, and some of the recorded ones by nobody: the same rows as on the source.
  const onSource = await readEverything({
    install,
    databaseUrl: environment.source.url,
    fernetKey: environment.variables["SOURCE_FERNET_KEY"] ?? "",
  });
  const unreadable = new Set(onSource.failures.map(({ model, key }) => JSON.stringify([model, key])));
  expect(reading.failures.filter(({ model, key }) => !unreadable.has(JSON.stringify([model, key])))).toEqual([]);
  const [there] = await target.query("select count(*) as n from task_instance");
  expect(reading.read["TaskInstance"]).toBe(there?.["n"]);
  expect(Number(there?.["n"])).toBeGreaterThan(50);
}, 600_000);
