import { createHash } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { Client } from "pg";
import { to as copyTo } from "pg-copy-streams";
import { expect, test } from "vitest";
import { openPostgres } from "../../src/databases/postgres/postgres.ts";
import { Secret } from "../../src/domain/secret.ts";
import type { Session } from "../../src/ports/database.ts";
import { freshDatabase } from "../support/database.ts";

async function withSession(work: (session: Session, url: string) => Promise<void>): Promise<void> {
  await using database = await freshDatabase();
  await using opened = openPostgres({ url: new Secret(database.url), name: "source" });
  await using session = await opened.session();
  await work(session, database.url);
}

async function copyWithLibrary(url: string, select: string): Promise<Buffer> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return await buffer(client.query(copyTo(`copy (${select}) to stdout (format binary)`)));
  } finally {
    await client.end();
  }
}

const digest = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

test.for([
  ["no row", "select 1 where false"],
  ["one row", "select 1, null::text, 'é'"],
  ["rows smaller than a header", "select from generate_series(1, 200000)"],
  ["rows of every length up to 4 KB", "select repeat('x', n % 4097) from generate_series(1, 20000) n"],
  ["rows larger than a read", "select repeat('y', 3000000), n from generate_series(1, 5) n"],
] as const)("gives what pg-copy-streams gives: %s", async ([, select]) => {
  await withSession(async (session, url) => {
    const copied = await buffer(session.copyOut(select));

    expect(copied.length).toBeGreaterThan(20);
    expect(digest(copied)).toBe(digest(await copyWithLibrary(url, select)));
    expect(await session.query("select 1 as n")).toEqual([{ n: 1 }]);
  });
});

test("a reader that is slow gets everything", async () => {
  await withSession(async (session) => {
    let bytes = 0;
    await pipeline(session.copyOut("select repeat('z', 1000) from generate_series(1, 20000)"), async (chunks) => {
      for await (const chunk of chunks) {
        bytes += (chunk as Buffer).length;
        await new Promise((resolve) => setImmediate(resolve));
      }
    });

    expect(bytes).toBe(19 + 20_000 * (2 + 4 + 1000) + 2);
  });
});

test("a statement that fails in the middle fails the stream with the server's error, and the session goes on", async () => {
  await withSession(async (session) => {
    const failing = buffer(session.copyOut("select 1 / (n - 90000) from generate_series(1, 100000) n"));

    await expect(failing).rejects.toMatchObject({ code: "22012" });
    expect(await session.query("select 2 as n")).toEqual([{ n: 2 }]);
  });
});

test("a statement that is refused fails the stream", async () => {
  await withSession(async (session) => {
    await expect(buffer(session.copyOut("select * from there_is_no_such_table"))).rejects.toMatchObject({
      code: "42P01",
    });
    expect(await session.query("select 3 as n")).toEqual([{ n: 3 }]);
  });
});

test("a connection that is lost in the middle fails the stream", async () => {
  await using database = await freshDatabase();
  await using opened = openPostgres({ url: new Secret(database.url), name: "source" });
  await using session = await opened.session();
  const [own] = await session.query<{ pid: number }>("select pg_backend_pid() as pid");
  const stream = session.copyOut("select repeat('x', 1000) from generate_series(1, 1000000)");
  const reading = pipeline(stream, async (chunks) => {
    for await (const _ of chunks) {
      await opened.query("select pg_terminate_backend($1)", [own?.pid]);
    }
  });

  await expect(reading).rejects.toThrow();
});

test("a session whose copy was given up is not used again", async () => {
  await using database = await freshDatabase();
  await using opened = openPostgres({ url: new Secret(database.url), name: "source", maxSessions: 1 });
  {
    await using session = await opened.session();
    session.copyOut("select repeat('x', 1000) from generate_series(1, 1000000)").destroy();
  }

  expect(await opened.query("select 4 as n")).toEqual([{ n: 4 }]);
});
