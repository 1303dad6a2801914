import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { Finding } from "../../../src/domain/finding.ts";
import { aStaging } from "../../support/a-landing.ts";
import { aSqlite } from "../../support/a-sqlite.ts";
import { aMariadb } from "../../support/mariadb.ts";
import { onEachServer } from "../../support/mysql-servers.ts";

/** A row that anybody may have put there: `text` and `time` hold anything at all. */
interface AnyRow {
  readonly text: string | Uint8Array | number | bigint | null;
  readonly time: string | Uint8Array | number | null;
}

const text = fc.oneof(fc.string({ unit: "binary", maxLength: 60 }), fc.string({ unit: "grapheme", maxLength: 60 }));
const bytes = fc.uint8Array({ maxLength: 60 });
const time = fc.oneof(
  fc.constantFrom(
    "2025-02-28 23:59:60",
    "0000-00-00 00:00:00",
    "2025-02-29 00:00:00",
    "9999-12-31 23:59:59.999999",
    "",
  ),
  fc.date({ noInvalidDate: true }).map((date) => date.toISOString().slice(0, 23).replace("T", " ")),
  text,
);

/** How many values were refused in a column, as the findings count them. */
function toldOf(findings: readonly Finding[], column: string): number {
  return findings
    .filter(({ what }) => what.includes(`of ${column} `))
    .reduce((sum, { what }) => sum + Number(/^[\d,]+/.exec(what)?.[0].replaceAll(",", "") ?? 0), 0);
}

/** Well-formed, without U+0000: what Postgres keeps. */
function isKept(value: string): boolean {
  return !value.includes("\0") && value.isWellFormed();
}

test("whatever a SQLite file holds is landed as it is, or told: nothing is lost, and nothing breaks", async () => {
  const row: fc.Arbitrary<AnyRow> = fc.record({
    text: fc.oneof(
      text,
      bytes,
      fc.integer(),
      fc.double(),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.constant(null),
    ),
    time: fc.oneof(time, bytes, fc.double(), fc.constant(null)),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 40 }), async (rows) => {
      await using sqlite = await aSqlite();
      await using staging = await aStaging();
      const variable = sqlite.database.prepare(
        "insert into variable (key, val, description, is_encrypted) values (?, 'x', ?, 0)",
      );
      const dag = sqlite.database.prepare(
        "insert into dag (dag_id, max_active_tasks, max_consecutive_failed_dag_runs, has_task_concurrency_limits, is_paused, next_dagrun) values (?, 1, 0, 0, 0, ?)",
      );
      rows.forEach((each, n) => {
        variable.run(`k${n}`, each.text);
        dag.run(`d${n}`, each.time);
      });

      const { findings } = await staging.land(sqlite.url);

      const landed = await staging.query<{ key: string; description: string | null }>(
        "select key, description from variable",
      );
      const times = await staging.query("select 1 from dag");
      expect(landed.length + toldOf(findings, "variable.description")).toBe(rows.length);
      expect(times.length + toldOf(findings, "dag.next_dagrun")).toBe(rows.length);
      const there = new Map(landed.map(({ key, description }) => [key, description]));
      for (const [n, { text: put }] of rows.entries()) {
        if (put === null || (typeof put === "string" && isKept(put))) expect(there.get(`k${n}`)).toBe(put);
        if (typeof put === "string" && !put.isWellFormed()) continue;
        if (typeof put === "string" && put.includes("\0")) expect(there.has(`k${n}`)).toBe(false);
      }
    }),
    { numRuns: 12 },
  );
});

onEachServer(
  (server) => {
    test("whatever a MySQL or MariaDB holds is landed as it is, or told: nothing is lost, and nothing breaks", async () => {
      const row = fc.record({
        text: fc.oneof(
          text.filter((each) => each.isWellFormed()),
          fc.constant(null),
        ),
        bytes,
      });
      await fc.assert(
        fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 40 }), async (rows) => {
          await using mariadb = await aMariadb(server());
          await using staging = await aStaging();
          await mariadb.query("set foreign_key_checks = 0");
          for (const [n, each] of rows.entries()) {
            await mariadb.query("insert into variable (`key`, val, description, is_encrypted) values (?, 'x', ?, 0)", [
              `k${n}`,
              each.text,
            ]);
            await mariadb.query(
              "insert into xcom (dag_run_id, task_id, map_index, `key`, dag_id, run_id, value, timestamp) values (?, 't', -1, 'k', 'd', 'r', ?, now(6))",
              [n, Buffer.from(each.bytes)],
            );
          }

          const { findings } = await staging.land(mariadb.url);

          const texts = await staging.query<{ key: string; description: string | null }>(
            "select key, description from variable",
          );
          const values = await staging.query<{ n: number; value: Buffer }>("select dag_run_id as n, value from xcom");
          const there = new Map(texts.map(({ key, description }) => [key, description]));
          expect(texts.length + toldOf(findings, "variable.description")).toBe(rows.length);
          for (const [n, each] of rows.entries())
            if (each.text === null || isKept(each.text)) expect(there.get(`k${n}`)).toBe(each.text);
            else expect(there.has(`k${n}`)).toBe(false);
          expect(new Map(values.map(({ n, value }) => [n, value.toString("hex")]))).toEqual(
            new Map(rows.map((each, n) => [n, Buffer.from(each.bytes).toString("hex")])),
          );
        }),
        { numRuns: 6 },
      );
    });
  },
  { one: "product" },
);
