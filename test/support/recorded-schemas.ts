import { readFileSync } from "node:fs";
import { join } from "node:path";
import { recordedReleases } from "../../src/airflow/releases.ts";
import type { Release } from "../../src/domain/release.ts";
import type { Schema } from "../../src/domain/schema.ts";

const folder = join(import.meta.dirname, "../../src/airflow/schemas");

/** The recorded schema of a release; throws where there is none. */
export function recordedSchema(release: Release): Schema {
  return JSON.parse(readFileSync(join(folder, `${release}.json`), "utf8")) as Schema;
}

/** Every recorded schema by release, oldest first. */
export function recordedSchemas(): ReadonlyMap<Release, Schema> {
  return new Map(recordedReleases.map((release) => [release, recordedSchema(release)]));
}
