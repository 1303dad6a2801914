import { expect, test } from "vitest";
import { anEnvironment, type Environment } from "../support/an-environment.ts";
import { differencesToFreshCopy } from "../support/fresh-copy.ts";
import { signalAt } from "./migration.ts";

/** What a backup from before the XComs came leaves of them, in rows and in the record. */
async function loseXComs({ target }: Environment): Promise<void> {
  await target.query("truncate xcom");
  await target.query("delete from crosswind.chunk where entity = 'xcom'");
}

async function moveWhatIsMissing(environment: Environment): Promise<void> {
  await environment.plan();
  const applied = await environment.apply();
  expect(applied.code, applied.output).toBe(0);
  expect(await differencesToFreshCopy(environment)).toEqual([]);
}

test("a target that was set back to before the copy is no done copy: told, and a new plan brings everything", async () => {
  await using environment = await anEnvironment();
  await environment.plan();
  const first = await environment.apply();
  await loseXComs(environment);
  await environment.target.query("update crosswind.run set finished_at = null");

  const again = await environment.apply();

  expect(first.code, first.output).toBe(0);
  expect(again).toMatchObject({ code: 1 });
  expect(again.output).toContain("TARGET_SET_BACK");
  await moveWhatIsMissing(environment);
});

test("chunks that a target has lost are told by the apply that goes on, and a new plan brings them", async () => {
  await using environment = await anEnvironment();
  await environment.plan();
  const killed = await environment.apply([], {
    onStderrLine: signalAt(/"kind":"phase","phase":"indexes"/, "SIGKILL"),
  });
  await loseXComs(environment);

  const again = await environment.apply();

  expect(killed.signal).toBe("SIGKILL");
  expect(again).toMatchObject({ code: 1 });
  expect(again.output).toContain("TARGET_SET_BACK");
  await moveWhatIsMissing(environment);
});
