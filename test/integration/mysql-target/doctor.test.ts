import { expect, test } from "vitest";
import type { Check } from "../../../src/engine/doctor/check.ts";
import type { Environment } from "../../support/an-environment.ts";
import { aMariadbTarget, aMariadbTargetEnvironment } from "../../support/mariadb-target.ts";
import { onEachServer } from "../../support/mysql-servers.ts";

async function targetChecks(environment: Environment): Promise<ReadonlyMap<string, Check>> {
  const ran = await environment.run(["doctor", "--json"]);
  const checks = (ran.json["checks"] ?? []) as readonly Check[];
  expect(checks.length, ran.output).toBeGreaterThan(10);
  return new Map(checks.filter(({ side }) => side === "target").map((check) => [check.id, check]));
}

onEachServer((at) => {
  test("the doctor finds a target on MariaDB fit, and says what it will do there", async () => {
    const server = at();
    await using target = await aMariadbTarget(server);
    await using environment = await aMariadbTargetEnvironment(target);

    const checks = await targetChecks(environment);

    expect([...checks.values()].filter(({ status }) => status === "blocker")).toEqual([]);
    expect(checks.get("writing")).toMatchObject({ status: "ok" });
    expect(checks.get("ledger")).toMatchObject({
      status: "ok",
      detail: `the database crosswind_${target.name} can be made`,
    });
    expect(checks.get("local-infile")).toBeDefined();
    expect(checks.get("read-only")).toBeUndefined();
  });

  test("rights that are missing are named with the statements that give them, and stop the plan", async () => {
    const server = at();
    await using target = await aMariadbTarget(server, { withoutLedger: true });
    await using environment = await aMariadbTargetEnvironment(target);
    await target.query(
      `revoke all on ${target.name}.* from '${target.name}'@'%'; grant select, insert, delete on ${target.name}.* to '${target.name}'@'%'`,
    );

    const checks = await targetChecks(environment);
    const planned = await environment.plan();

    const grant = `GRANT UPDATE, CREATE TEMPORARY TABLES, ALTER ON \`${target.name}\`.* TO '${target.name}'@'%';`;
    expect(checks.get("writing")).toMatchObject({ status: "blocker", next: [grant] });
    expect(checks.get("ledger")).toMatchObject({ status: "note" });
    expect(planned.finding("ROLE_LACKS_RIGHTS"), planned.output).toMatchObject({ severity: "blocker", next: [grant] });
  });
});
