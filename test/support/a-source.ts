import { onTestFinished } from "vitest";
import { entities } from "../../src/airflow/entities/index.ts";
import { openPostgres } from "../../src/databases/postgres/postgres.ts";
import type { Release } from "../../src/domain/release.ts";
import { Secret } from "../../src/domain/secret.ts";
import { codecInput } from "../../src/engine/copy/columns.ts";
import { copiedRows, exclusionsFor } from "../../src/engine/select/filters.ts";
import { NO_ID_RULES, type Translation, translate } from "../../src/engine/translate/translate.ts";
import type { Row } from "../../src/ports/database.ts";
import { freshDatabase } from "./database.ts";
import { recordedSchema } from "./recorded-schemas.ts";
import { insertRow } from "./rows.ts";
import { schemaDdl } from "./schema-ddl.ts";

/** A source in a test: empty tables of a release. */
export interface TestSource {
  /** Puts rows into a table; what refuses NULL and is not given is filled. */
  insert(table: string, ...rows: readonly Readonly<Record<string, unknown>>[]): Promise<void>;
  /** The rows of an entity that are copied, as a target of the release gets them. `list`: default all columns. */
  on(target: Release, entity: string, list?: string): Promise<readonly Row[]>;
}

/** Makes a source of a recorded release; it goes with the test. */
export async function aSource(release: Release): Promise<TestSource> {
  const resources = new AsyncDisposableStack();
  onTestFinished(() => resources.disposeAsync());
  const database = resources.use(await freshDatabase());
  const postgres = resources.use(openPostgres({ url: new Secret(database.url), name: "source", maxSessions: 1 }));
  const session = resources.use(await postgres.session());
  const schema = recordedSchema(release);
  await session.query(schemaDdl(schema));

  return {
    insert: async (table, ...rows) => {
      for (const row of rows) await insertRow(session, { schema, table }, row);
    },
    on: async (target, entity, list = "*") =>
      await session.query(`select ${list} from (${copySelect(release, target, entity)}) t order by t::text`),
  };
}

function copySelect(source: Release, target: Release, entity: string): string {
  const translation = translationOf(source, target, entity);
  const context = { dagRun: translationOf(source, target, "dag_run"), targetRelease: target };
  const canonical = copiedRows(exclusionsFor(translation, { leftOut: [], without: [] }, context));
  return translation.select(canonical === undefined ? {} : { canonical });
}

function translationOf(source: Release, target: Release, id: string): Translation {
  const entity = entities.find((each) => each.id === id);
  const translation =
    entity &&
    translate(entity, {
      source: { release: source, schema: recordedSchema(source) },
      target: { release: target, schema: recordedSchema(target) },
      ids: NO_ID_RULES,
      optimistic: true,
      codecInput,
    });
  if (translation === undefined) throw new Error(`${source} or ${target} has no place for ${id}`);
  return translation;
}
