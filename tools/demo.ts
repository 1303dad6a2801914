// npm run demo: the main job on two databases of its own. A genuine Airflow 2.10.5's metadata database, recorded with its history, moves into
// the empty database that a genuine Airflow 3.3.2 made: plan, apply, verify, as a user would run them.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { openEmbeddedPostgres, stopEmbeddedPostgres } from "../src/databases/embedded/embedded-postgres.ts";
import { thisHost } from "../src/databases/embedded/host.ts";
import { loadFixture } from "../src/databases/postgres/load-fixture.ts";
import { growSource } from "./grow-source.ts";

const root = dirname(import.meta.dirname);
const home = join(root, ".crosswind", "demo");
const fixtures = join(root, "test", "fixtures");
const cli = join(root, "bin", "crosswind.mjs");
/** How often the recorded history is repeated: enough for something to be seen, little enough for a newcomer's patience. */
const COPIES = 400;

const source = join(fixtures, "airflow-2.10.5.sql.gz");
const target = join(fixtures, "airflow-3.3.2-empty.sql.gz");

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Templates are named after what they hold, so that a changed fixture makes a new one. */
function templateName(prefix: string, path: string): string {
  return `${prefix}_${createHash("sha256").update(readFileSync(path)).update(String(COPIES)).digest("hex").slice(0, 10)}`;
}

async function prepare(server: Awaited<ReturnType<typeof openEmbeddedPostgres>>): Promise<void> {
  const there = new Set(await server.listDatabases());
  const [sourceTemplate, targetTemplate] = [templateName("recorded", source), templateName("empty", target)];
  if (!there.has(sourceTemplate)) {
    say(
      "Loading the metadata database of an Airflow 2.10.5 that has run DAGs, and repeating its history (only the first time).",
    );
    await server.createDatabase("draft_source");
    await loadFixture(server.url("draft_source"), source);
    await growSource(server.url("draft_source"), { copies: COPIES, secrets: 50 });
    await server.createDatabase(sourceTemplate, { template: "draft_source" });
    await server.dropDatabase("draft_source");
  }
  if (!there.has(targetTemplate)) {
    await server.createDatabase("draft_target");
    await loadFixture(server.url("draft_target"), target);
    await server.createDatabase(targetTemplate, { template: "draft_target" });
    await server.dropDatabase("draft_target");
  }
  for (const [name, template] of [
    ["airflow_2_10_5", sourceTemplate],
    ["airflow_3_3_2", targetTemplate],
  ] as const) {
    await server.dropDatabase(name);
    await server.createDatabase(name, { template });
  }
}

function writeConfig(): void {
  writeFileSync(
    join(home, "crosswind.yaml"),
    [
      "# Made by `npm run demo`.",
      "source:",
      `  database: \${env:DEMO_SOURCE}`,
      `  fernetKey: file:${relative(home, join(fixtures, "fernet.key"))}`,
      "target:",
      `  database: \${env:DEMO_TARGET}`,
      `  fernetKey: \${env:DEMO_TARGET_KEY}`,
      "",
    ].join("\n"),
  );
}

/** Runs one command as a user would; its output is the demonstration. */
function crosswind(env: Readonly<Record<string, string>>, ...args: readonly string[]): void {
  say(`\n$ crosswind ${args.join(" ")}`);
  const { status } = spawnSync(process.execPath, [cli, ...args], {
    cwd: home,
    stdio: "inherit",
    env: { ...process.env, ...env },
  });
  if (status !== 0) {
    say(`\nThe demonstration stopped: crosswind ${args[0]} ended with code ${status ?? "of a signal"}.`);
    process.exitCode = 1;
    throw new Stopped();
  }
}

class Stopped extends Error {}

const start = performance.now();
mkdirSync(home, { recursive: true });
const server = await openEmbeddedPostgres({
  name: "demo",
  homeDir: root,
  host: thisHost("throwaway"),
  settings: { fsync: "off", max_connections: "50", shared_buffers: "256MB", max_wal_size: "4GB" },
});
try {
  await prepare(server);
  writeConfig();
  const env = {
    DEMO_SOURCE: server.url("airflow_2_10_5"),
    DEMO_TARGET: server.url("airflow_3_3_2"),
    // Another key than the source's, so that every secret is re-encrypted on the way.
    DEMO_TARGET_KEY: createHash("sha256").update("the demonstration's target").digest("base64url").padEnd(44, "="),
  };
  crosswind(env, "plan");
  crosswind(env, "apply");
  crosswind(env, "verify");
  say("");
  say(`All of it in ${Math.round((performance.now() - start) / 1000)} seconds. With your own environments:`);
  say(
    "  npx crosswind init      writes crosswind.yaml: where source and target are (passwords and keys as references)",
  );
  say("  npx crosswind doctor    checks connections, rights, releases and keys, and says how to mend each");
  say("  npx crosswind plan      shows what would move and what would not; changes nothing");
  say("The guide: docs/guides/first-migration.md");
} catch (error) {
  if (!(error instanceof Stopped)) throw error;
} finally {
  await server[Symbol.asyncDispose]();
  // What could not lie in the checkout must not stay behind elsewhere.
  if (process.env["CI"] !== undefined)
    await stopEmbeddedPostgres({ name: "demo", homeDir: root, host: thisHost("throwaway") }, { remove: true });
}
