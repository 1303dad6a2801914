import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { loadFixture } from "../../src/databases/postgres/load-fixture.ts";
import { type Growth, growSource } from "../../tools/grow-source.ts";
import { templateDatabase } from "./database.ts";

const FIXTURE = join(import.meta.dirname, "../fixtures/airflow-2.10.5.sql.gz");
/** What makes the rows: a change there makes another template. */
const GROWTH = join(import.meta.dirname, "../../tools/grow-source.ts");

/** The name of a template database: the recorded 2.10.5 environment with its history many times over. */
export async function grownSource(growth: Growth): Promise<string> {
  const version = createHash("sha256")
    .update(await readFile(FIXTURE))
    .update(await readFile(GROWTH))
    .digest("hex");
  return await templateDatabase(`grown_${growth.copies}_${growth.secrets}_${version.slice(0, 8)}`, async (url) => {
    await loadFixture(url, FIXTURE);
    await growSource(url, { ...growth, isThin: true });
  });
}
