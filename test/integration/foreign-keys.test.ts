import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { openPostgres } from "../../src/databases/postgres/postgres.ts";
import { Secret } from "../../src/domain/secret.ts";
import { compareDefinitions, takeOffIndexes } from "../../src/engine/copy/indexes.ts";
import { createLedger } from "../../src/engine/copy/ledger.ts";
import { restoreAll } from "../../src/engine/copy/restore-indexes.ts";
import type { Session } from "../../src/ports/database.ts";
import { freshDatabase } from "../support/database.ts";

const TABLES = `
  create table parent (a text, b int, primary key (a, b));
  create table child (id int primary key, a text, b int, constraint child_fkey foreign key (a, b) references parent on delete cascade)`;

/** A session with both tables' keys taken off, as for a large load. */
async function withKeysOff(work: (session: Session, run: string) => Promise<void>): Promise<void> {
  await using database = await freshDatabase();
  await using opened = openPostgres({ url: new Secret(database.url), name: "target" });
  await using session = await opened.session();
  const run = randomUUID();
  await session.query(TABLES);
  await createLedger(session);
  const loads = ["parent", "child"].map((table) => ({ table, rows: 1_000_000 }));
  expect(await takeOffIndexes(session, run, loads)).toBe(3);
  await session.query("insert into parent select 'p', n from generate_series(1, 100) n");
  await session.query("insert into child select n, 'p', n from generate_series(1, 100) n");
  await work(session, run);
}

const IS_VALID = "select convalidated as valid from pg_constraint where conname = 'child_fkey'";

test("foreign keys are put back as they were, and checked", async () => {
  await withKeysOff(async (session, run) => {
    await restoreAll(session);

    expect(await session.query(IS_VALID)).toEqual([{ valid: true }]);
    await compareDefinitions(session, run);
  });
});

test("a foreign key that a killed process had put back unchecked is checked", async () => {
  await withKeysOff(async (session, run) => {
    await session.query("alter table parent add constraint parent_pkey primary key (a, b)");
    await session.query(
      "alter table child add constraint child_fkey foreign key (a, b) references parent on delete cascade not valid",
    );

    await restoreAll(session);

    expect(await session.query(IS_VALID)).toEqual([{ valid: true }]);
    await compareDefinitions(session, run);
  });
});

test("a row without its parent keeps the foreign key from counting as put back", async () => {
  await withKeysOff(async (session, run) => {
    await session.query("insert into child values (0, 'nobody', 0)");

    await expect(restoreAll(session)).rejects.toMatchObject({ code: "23503" });

    const open = "select name from crosswind.taken_off where restored_at is null";
    expect(await session.query(open)).toEqual([{ name: "child_fkey" }]);
    await expect(compareDefinitions(session, run)).rejects.toMatchObject({ code: "TARGET_INDEXES_CHANGED" });
  });
});

test("a key whose index a killed process had made is made of it", async () => {
  await withKeysOff(async (session, run) => {
    await session.query("create unique index parent_pkey on public.parent using btree (a, b)");
    const oid = "select 'parent_pkey'::regclass::oid::text as oid";
    const before = await session.query(oid);

    await restoreAll(session);

    expect(await session.query(oid)).toEqual(before);
    await compareDefinitions(session, run);
  });
});

test("a key that can be deferred is put back as it was", async () => {
  await withKeysOff(async (session) => {
    const run = randomUUID();
    await session.query("create table late (id int primary key, n int, constraint late_key unique (n) deferrable)");
    expect(await takeOffIndexes(session, run, [{ table: "late", rows: 1_000_000 }])).toBe(2);

    await restoreAll(session);

    await compareDefinitions(session, run);
  });
});
