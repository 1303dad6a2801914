/**
 * Records the schema of a metadata database that a genuine Airflow has just made.
 *
 *     node tools/record-schema.ts postgresql://postgres@localhost:5432/airflow --release 3.3.2 -o src/airflow/schemas/3.3.2.json
 *
 * Reads catalogue tables only. Without `-o` it prints the schema.
 */
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { openPostgres } from "../src/databases/postgres/postgres.ts";
import { Secret } from "../src/domain/secret.ts";
import { readSchema } from "../src/engine/probe/read-schema.ts";
import { schemaText } from "./schema-text.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { release: { type: "string" }, output: { type: "string", short: "o" } },
});
const [url] = positionals;
if (url === undefined || values.release === undefined) {
  throw new Error(
    "Give the URL of a database and its release: node tools/record-schema.ts URL --release 3.3.2 [-o FILE]",
  );
}

await using database = openPostgres({ url: new Secret(url), name: "database", readOnly: true });
await using session = await database.session();
const text = schemaText(await readSchema(session, values.release));
if (values.output === undefined) {
  process.stdout.write(text);
} else {
  await writeFile(values.output, text);
}
