import { expect, test } from "vitest";
import { anEnvironment } from "../support/an-environment.ts";
import { differencesToFreshCopy } from "../support/fresh-copy.ts";
import { signalAt } from "./migration.ts";

const RUN = "dag_id = 'cw_mapped' and run_id = 'manual__mapped'";

test("a run that is opened again before an apply goes on stays as it was copied, and comes with the delta after its end", async () => {
  await using environment = await anEnvironment();
  const { source, target } = environment;
  await environment.plan();
  const killed = await environment.apply([], {
    onStderrLine: signalAt(/"kind":"chunk","entity":"task_instance"/, "SIGKILL"),
  });
  const stateThere = async () => (await target.query(`select state from dag_run where ${RUN}`))[0]?.["state"];
  await source.query(
    `update dag_run set state = 'running', end_date = null where ${RUN};
     update task_instance set state = null, try_number = try_number + 1, hostname = 'cleared' where ${RUN}`,
  );

  const resumed = await environment.apply();
  const [meanwhile, verified] = [await stateThere(), await environment.run(["verify", "--json"])];
  await source.query(
    `update dag_run set state = 'failed', end_date = now() where ${RUN};
     update task_instance set state = 'failed', hostname = 'tried again' where ${RUN}`,
  );
  const synced = await environment.run(["sync", "--json"]);

  expect(killed.signal).toBe("SIGKILL");
  expect(resumed.code, resumed.output).toBe(0);
  expect(meanwhile).toBe("success");
  expect(verified.code, verified.output).toBe(0);
  expect(synced.code, synced.output).toBe(0);
  expect(await stateThere()).toBe("failed");
  expect(await differencesToFreshCopy(environment)).toEqual([]);
});
