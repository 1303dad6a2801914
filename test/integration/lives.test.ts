import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { openPostgres } from "../../src/databases/postgres/postgres.ts";
import { Secret } from "../../src/domain/secret.ts";
import { EVERYTHING } from "../../src/domain/selection.ts";
import { beginLife, beginRun, createLedger } from "../../src/engine/copy/ledger.ts";
import { claimChunk } from "../../src/engine/copy/ledger-chunks.ts";
import { joinReadSnapshot, openReadSnapshot } from "../../src/engine/copy/snapshot.ts";
import { freshDatabase } from "../support/database.ts";

/** A target with a ledger and a run in its first life. */
async function aLedger() {
  await using resources = new AsyncDisposableStack();
  const database = resources.use(await freshDatabase());
  const target = resources.use(openPostgres({ url: new Secret(database.url), name: "target", maxSessions: 8 }));
  const session = resources.use(await target.session());
  const run = randomUUID();
  await createLedger(session);
  const selection = { leftOut: [], without: [] };
  const mark = { xid: "3", snapshot: "3:3:" };
  await beginRun(session, { run, source: "a source", mark, filenodes: {}, planned: EVERYTHING, selection });
  const kept = resources.move();
  return { target, session, run, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

test("a chunk of an earlier life is refused, and one of this life is written once", async () => {
  await using ledger = await aLedger();
  const { session, run } = ledger;
  const chunk = { run, entity: "xcom", chunk: "000000" };
  const life = await beginLife(session, run);

  await expect(claimChunk(session, { ...chunk, life: 1 })).rejects.toMatchObject({ code: "RUN_LIFE_OVER" });
  expect(life).toBe(2);
  expect(await claimChunk(session, { ...chunk, life: 2 })).toBe(true);
  expect(await claimChunk(session, { ...chunk, life: 2 })).toBe(false);
});

test("the next life waits for the chunks under way", async () => {
  await using ledger = await aLedger();
  const { target, session, run } = ledger;
  await using early = await target.session();
  await early.query("begin");
  await claimChunk(early, { run, entity: "xcom", chunk: "000000", life: 1 });
  let isBegun = false;
  const begins = beginLife(session, run).finally(() => {
    isBegun = true;
  });
  await sleep(300);
  const wasBegun = isBegun;

  await early.query("commit");

  expect(wasBegun).toBe(false);
  expect(await begins).toBe(2);
});

test("a chunk that is begun while the next life begins waits for it, and is refused", async () => {
  await using ledger = await aLedger();
  const { target, session, run } = ledger;
  await using late = await target.session();
  await session.query("begin");
  await beginLife(session, run);
  const claim = claimChunk(late, { run, entity: "xcom", chunk: "000001", life: 1 });
  const refused = expect(claim).rejects.toMatchObject({ code: "RUN_LIFE_OVER" });
  await sleep(300);

  await session.query("commit");

  await refused;
});

test("a joined read snapshot whose holder is gone ends the life for whoever joined it, and for whoever comes later", async () => {
  await using ledger = await aLedger();
  const { target: source, run: joinedOf } = ledger;
  const held = await openReadSnapshot(source);
  const facts = { exported: held.exported, mark: held.mark, joinedOf };
  await using joined = await joinReadSnapshot(source, facts);
  await using _while = await joined.session();

  await held[Symbol.asyncDispose]();

  await expect(joined.session()).rejects.toMatchObject({ code: "RUN_LIFE_OVER" });
  await expect(joinReadSnapshot(source, facts)).rejects.toMatchObject({ code: "RUN_LIFE_OVER" });
});
