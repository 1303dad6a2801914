import { expect, test } from "vitest";
import { openPostgres } from "../../src/databases/postgres/postgres.ts";
import { Secret } from "../../src/domain/secret.ts";
import { holdTarget } from "../../src/engine/copy/hold-target.ts";
import { freshDatabase } from "../support/database.ts";

test("a second command is refused, and told which one is at work; after that it is let in", async () => {
  await using fresh = await freshDatabase();
  const open = () => openPostgres({ url: new Secret(fresh.url), name: "target" });
  await using first = open();
  await using second = open();

  await using held = await holdTarget(first, "cutover");
  await expect(holdTarget(second, "sync")).rejects.toThrow(
    /^APPLY_UNDER_WAY: another cutover is at work on the target/,
  );
  await held[Symbol.asyncDispose]();

  await using _ = await holdTarget(second, "sync");
  const names = await first.query("select 1 from pg_stat_activity where application_name like 'crosswind %: cutover'");
  expect(names).toEqual([]);
});
