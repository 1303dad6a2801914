import { afterAll, beforeAll, expect, test } from "vitest";
import { entities } from "../../src/airflow/entities/index.ts";
import { recordedReleases } from "../../src/airflow/releases.ts";
import { openPostgres } from "../../src/databases/postgres/postgres.ts";
import type { Release } from "../../src/domain/release.ts";
import { columnType } from "../../src/domain/schema.ts";
import { Secret } from "../../src/domain/secret.ts";
import { codecInput } from "../../src/engine/copy/columns.ts";
import { NO_ID_RULES, type Translation, translate, withoutLength } from "../../src/engine/translate/translate.ts";
import type { Session } from "../../src/ports/database.ts";
import { freshDatabase } from "../support/database.ts";
import { recordedSchema, recordedSchemas } from "../support/recorded-schemas.ts";
import { schemaDdl } from "../support/schema-ddl.ts";

const schemas = recordedSchemas();
const resources = new AsyncDisposableStack();
const sessions = new Map<Release, Session>();

beforeAll(async () => {
  for (const [release, schema] of schemas) {
    const database = resources.use(await freshDatabase());
    const postgres = resources.use(openPostgres({ url: new Secret(database.url), name: release, maxSessions: 1 }));
    const session = resources.use(await postgres.session());
    await session.query(schemaDdl(schema));
    sessions.set(release, session);
  }
});

afterAll(() => resources.disposeAsync());

function translations(source: Release, optimistic: boolean): readonly (readonly [Release, Translation])[] {
  return recordedReleases.flatMap((target) =>
    entities.flatMap((entity) => {
      const translation = translate(entity, {
        source: { release: source, schema: recordedSchemaOf(source) },
        target: { release: target, schema: recordedSchemaOf(target) },
        ids: NO_ID_RULES,
        optimistic,
        codecInput,
      });
      return translation === undefined ? [] : [[target, translation] as const];
    }),
  );
}

function recordedSchemaOf(release: Release) {
  return schemas.get(release) ?? recordedSchema(release);
}

/** Postgres knows `character varying(250)` as its type and a modifier; a result has the type alone. */
function expectedTypes(target: Release, { columns, targetTable }: Translation): readonly string[] {
  return columns.map(
    (column) =>
      column.codecInput ?? withoutLength(columnType(recordedSchemaOf(target), targetTable, column.column) ?? "missing"),
  );
}

test.for(recordedReleases)(
  "Postgres takes every translation from %s to any release, and gives the target's types",
  async (source) => {
    const session = sessions.get(source);
    if (session === undefined) throw new Error(`no database for ${source}`);
    const described = new Map<string, readonly string[] | string>();
    const wrong: unknown[] = [];

    for (const [target, translation] of [true, false].flatMap((optimistic) => translations(source, optimistic))) {
      const select = translation.select({
        canonical:
          (translation.entity.leave ?? []).map((each) => `not coalesce(${each.where}, false)`).join(" and ") || "true",
      });
      const types = described.get(select) ?? (await describe(session, select));
      described.set(select, types);
      const expected = expectedTypes(target, translation);
      if (JSON.stringify(types) !== JSON.stringify(expected))
        wrong.push({ target, entity: translation.entity.id, types, expected });
    }

    expect(wrong).toEqual([]);
    expect(described.size).toBeGreaterThan(entities.length);
  },
);

async function describe(session: Session, select: string): Promise<readonly string[] | string> {
  try {
    return (await session.describe(select)).map((column) => column.type);
  } catch (error) {
    return String(error instanceof Error ? (error.cause ?? error) : error);
  }
}
