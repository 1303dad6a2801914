import { openPostgres } from "../../src/databases/postgres/postgres.ts";
import { openRawSource } from "../../src/databases/raw.ts";
import type { RunEvent } from "../../src/domain/run-event.ts";
import type { Schema } from "../../src/domain/schema.ts";
import { Secret } from "../../src/domain/secret.ts";
import { type Landed, land } from "../../src/engine/land/land.ts";
import { readSchema } from "../../src/engine/probe/read-schema.ts";
import type { Database, Row } from "../../src/ports/database.ts";
import type { RawSource } from "../../src/ports/raw-source.ts";
import { freshDatabase } from "./database.ts";

/** A staging database of a test's own. */
export interface TestStaging extends AsyncDisposable {
  /** Lands a source as `crosswind plan` does; `events`: what was told meanwhile. */
  land(source: string | RawSource, signal?: AbortSignal): Promise<Landed & { readonly events: readonly RunEvent[] }>;
  query<R extends Row = Row>(sql: string, values?: readonly unknown[]): Promise<readonly R[]>;
  readonly database: Database;
}

/** The schema of what was landed, as a probe sees it. */
export async function landedSchema({ database }: TestStaging): Promise<Schema> {
  await using session = await database.session();
  return await readSchema(session);
}

export function rawSource(url: string): RawSource {
  const raw = openRawSource({ url: new Secret(url), name: "source", folder: "/" });
  if (raw === undefined) throw new Error(`${url} is not landed`);
  return raw;
}

/** The source, with something that happens before a table's rows are read. */
export function interrupted(raw: RawSource, before: (table: string) => Promise<void>): RawSource {
  return {
    label: raw.label,
    address: raw.address,
    check: () => raw.check(),
    read: async () => {
      const reading = await raw.read();
      return {
        facts: reading.facts,
        tables: reading.tables,
        rows: async function* (table, options) {
          await before(table.name);
          yield* reading.rows(table, options);
        },
        [Symbol.asyncDispose]: () => reading[Symbol.asyncDispose](),
      };
    },
  };
}

export async function aStaging(): Promise<TestStaging> {
  await using resources = new AsyncDisposableStack();
  const database = resources.use(await freshDatabase());
  const staging = resources.use(openPostgres({ url: new Secret(database.url), name: "staging" }));
  const kept = resources.move();
  return {
    land: async (source, signal) => {
      const events: RunEvent[] = [];
      const landed = await land({
        source: typeof source === "string" ? rawSource(source) : source,
        staging,
        onEvent: (event) => events.push(event),
        ...(signal === undefined ? {} : { signal }),
      });
      return { ...landed, events };
    },
    query: (sql, values) => staging.query(sql, values),
    database: staging,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
