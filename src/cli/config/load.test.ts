import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import type { Problem } from "../../domain/problem.ts";
import { configShowView } from "../views/config-show.ts";
import { type LoadOptions, loadConfig, readSettings } from "./load.ts";

const CANARY = "canary-5Zp8";
const KEY = "c2Vjcm90LWNhbmFyeS1rZXktb2YtMzItYnl0ZXMuLi4=";
const DATABASES = "source: {database: 'postgresql://a@one/x'}\ntarget: {database: 'postgresql://b@two/y'}\n";

async function aFolder(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "crosswind-config-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text, { mode: 0o600 });
  return folder;
}

async function options(yaml: string, more: Partial<LoadOptions> = {}): Promise<LoadOptions> {
  const folder = await aFolder({ "crosswind.yaml": yaml });
  return { file: join(folder, "crosswind.yaml"), env: {}, cwd: folder, ...more };
}

async function problemOf(loading: Promise<unknown>): Promise<Problem> {
  const problem = await loading.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(problem).toHaveProperty("report");
  return problem as Problem;
}

test("reads databases and keys from variables and files, and fills in the defaults", async () => {
  const folder = await aFolder({
    "crosswind.yaml":
      "source:\n  database: postgresql://crosswind:${env:PW}@one:5433/airflow\n  fernetKey: file:./source.key\ntarget:\n  database: ${env:TARGET}\n",
    "source.key": `${KEY}\n`,
  });

  const { config, findings } = await loadConfig({
    file: join(folder, "crosswind.yaml"),
    env: { PW: "p", TARGET: "postgresql://two/y" },
    cwd: "/",
  });

  expect(config.source.database.reveal()).toBe("postgresql://crosswind:p@one:5433/airflow");
  expect(config.source.fernetKey?.reveal()).toBe(KEY);
  expect(config.target.database.reveal()).toBe("postgresql://two/y");
  expect(config.target.fernetKey).toBeUndefined();
  expect(config.lanes).toBe(2);
  expect(config.select).toEqual({
    dags: ["*"],
    entities: ["*"],
    history: { kind: "all" },
    without: [],
    onConflict: {},
  });
  expect(findings).toEqual([]);
});

test("reads where an API answers and who calls it, references resolved", async () => {
  const yaml = `source:\n  database: postgresql://one/x\n  api: {url: 'https://\${env:HOST}:8080', username: '\${env:NAME}', password: '\${env:PW}'}\ntarget:\n  database: postgresql://two/y\n  api: {url: 'http://t', token: 'file:./token'}\n`;
  const folder = await aFolder({ "crosswind.yaml": yaml, token: `${CANARY}\n` });

  const { config } = await loadConfig({
    file: join(folder, "crosswind.yaml"),
    env: { HOST: "h", NAME: "admin", PW: "p" },
    cwd: "/",
  });

  expect(config.source.api).toMatchObject({ url: "https://h:8080", username: "admin" });
  expect(config.source.api?.password?.reveal()).toBe("p");
  expect(config.target.api?.token?.reveal()).toBe(CANARY);
  expect(config.target.api).not.toHaveProperty("password");
});

test("a side without an API has none", async () => {
  const { config } = await loadConfig(await options(DATABASES));

  expect(config.source).not.toHaveProperty("api");
});

test("takes a flag before an environment variable before the file before a default, and says which", async () => {
  const yaml = `${DATABASES}lanes: 3\nselect: {history: 90d, dags: [from_file], entities: [xcom]}\n`;
  const given = await options(yaml, {
    env: { CROSSWIND_SELECT_HISTORY: "100", CROSSWIND_SELECT_DAGS: "from_env" },
    flags: { dag: ["from_flag"] },
  });

  const { config, origins } = await loadConfig(given);

  expect(config.select).toMatchObject({
    dags: ["from_flag"],
    history: { kind: "runs", runs: 100 },
    entities: ["xcom"],
  });
  const from = (name: string) => origins.find((each) => each.name === name);
  expect(from("select.dags")).toMatchObject({ origin: "flag", from: "--dag" });
  expect(from("select.history")).toMatchObject({ origin: "environment", from: "CROSSWIND_SELECT_HISTORY" });
  expect(from("lanes")).toMatchObject({ origin: "file", from: "crosswind.yaml:3" });
  expect(from("select.without")).toMatchObject({ origin: "default" });
});

test("adds what --without leaves out to what the file leaves out", async () => {
  const given = await options(`${DATABASES}select: {without: ["variable:a"]}\n`, { flags: { without: ["pool:b"] } });

  const { config } = await loadConfig(given);

  expect(config.select.without).toEqual(["variable:a", "pool:b"]);
});

test("needs no file where the environment gives both databases", async () => {
  const { config } = await loadConfig({
    file: "/nowhere/crosswind.yaml",
    env: { CROSSWIND_SOURCE_DATABASE: "postgresql://one/x", CROSSWIND_TARGET_DATABASE: "postgresql://two/y" },
    cwd: "/",
  });

  expect(config.source.database.reveal()).toBe("postgresql://one/x");
});

test("says how to make a configuration where there is none", async () => {
  const problem = await problemOf(loadConfig({ file: "/nowhere/crosswind.yaml", env: {}, cwd: "/" }));

  expect(problem.code).toBe("CONFIG_NOT_FOUND");
  expect(problem.report.next[0]).toMatch(/^crosswind init/);
});

test("names every mistake with its line, and the setting that was probably meant", async () => {
  const yaml = `source:\n  databse: postgresql://one/x\n  database: 5\nlanes: 99\nselect:\n  dag: ["*"]\n  history: soon\n`;

  const problem = await problemOf(loadConfig(await options(yaml)));

  expect(problem.code).toBe("CONFIG_INVALID");
  expect(problem.message).toContain('line 2: "source.databse" is no setting; did you mean "database"?');
  expect(problem.message).toContain("line 3: source.database must be text");
  expect(problem.message).toContain("line 4: lanes must be at most 32");
  expect(problem.message).toContain('line 6: "select.dag" is no setting; did you mean "dags"?');
  expect(problem.message).toContain("line 7: select.history must be all");
});

test.for([
  ["a tag", "lanes: !!js/function 'x'", /line 1: tags/],
  ["a custom tag", "lanes: !env x", /line 1: tags/],
  ["an alias", "a: &a [1]\nlanes: *a", /line 2: aliases/],
  ["a key that is there twice", "lanes: 1\nlanes: 2", /line 2: the same key/],
  ["a tab", "source:\n\tdatabase: x", /line 2: lines are indented/],
  ["a list at the top", "- 1", /must be a group of settings/],
  ["too large a file", `# ${"x".repeat(300_000)}`, /larger than 256 KiB/],
] as const)("refuses %s", async ([, yaml, sentence]) => {
  const problem = await problemOf(loadConfig(await options(yaml)));

  expect(problem.code).toBe("CONFIG_INVALID");
  expect(problem.message).toMatch(sentence);
});

test("names a database that is given nowhere", async () => {
  const problem = await problemOf(loadConfig(await options("source: {database: 'postgresql://one/x'}")));

  expect(problem.message).toContain("target.database: is not set");
  expect(problem.message).toContain("CROSSWIND_TARGET_DATABASE");
});

test("names every reference that can not be read at once", async () => {
  const yaml =
    "source: {database: '${env:NOT_SET}', fernetKey: 'file:./not-there.key'}\ntarget: {database: '${env:EMPTY}'}";
  const given = await options(yaml, { env: { EMPTY: "" } });

  const problem = await problemOf(loadConfig(given));

  expect(problem.code).toBe("CONFIG_REFERENCE_MISSING");
  expect(problem.message).toContain("the environment variable NOT_SET is not set");
  expect(problem.message).toContain("the environment variable EMPTY is empty");
  expect(problem.message).toContain("not-there.key is not there");
});

test("refuses a Fernet key in the file and says how to refer to it, without repeating it", async () => {
  const problem = await problemOf(loadConfig(await options(DATABASES.replace("}", `, fernetKey: ${KEY}}`))));

  expect(problem.code).toBe("CONFIG_SECRET_IN_FILE");
  expect(problem.message).toContain("crosswind.yaml:1: source.fernetKey is written out");
  expect(problem.report.next[0]).toContain("${env:SOURCE_FERNET_KEY}");
  expect(inspect(problem)).not.toContain(KEY);
});

test("refuses a key beside a reference in a list", async () => {
  const yaml = DATABASES.replace("}", `, fernetKey: '\${env:KEY},${KEY}'}`);

  const problem = await problemOf(loadConfig(await options(yaml, { env: { KEY } })));

  expect(problem.code).toBe("CONFIG_SECRET_IN_FILE");
});

test("refuses a password in a flag", async () => {
  const given = await options(DATABASES, { flags: { state: `postgresql://u:${CANARY}@h/d` } });

  const problem = await problemOf(loadConfig(given));

  expect(problem.code).toBe("CONFIG_SECRET_IN_FLAG");
  expect(inspect(problem)).not.toContain(CANARY);
});

test("warns of a password in the file and of a key that everybody can read", async () => {
  const folder = await aFolder({
    "crosswind.yaml": `source: {database: 'postgresql://u:${CANARY}@h/d', fernetKey: 'file:key'}\ntarget: {database: postgresql://two/y}`,
    key: KEY,
  });
  await chmod(join(folder, "key"), 0o644);

  const { findings } = await loadConfig({ file: join(folder, "crosswind.yaml"), env: {}, cwd: folder });

  expect(findings.map((each) => each.code)).toEqual(["CONFIG_PASSWORD_IN_FILE", "CONFIG_FILE_READABLE_BY_ALL"]);
  expect(JSON.stringify(findings)).not.toContain(CANARY);
});

test("does not warn where the password is a reference", async () => {
  const yaml = DATABASES.replace("a@one/x", "a:${env:PW}@one:5432/x");

  const { findings } = await loadConfig(await options(yaml, { env: { PW: CANARY } }));

  expect(findings).toEqual([]);
});

test.for([
  ["in a value of a wrong type", `source: {database: [${CANARY}]}`],
  ["in the place of a group", `source: postgresql://u:${CANARY}@h/d`],
  ["in the place of a key", `source: {"postgresql://u:${CANARY}@h/d": 1}`],
  ["in broken YAML", `source: {database: "${CANARY}`],
  ["behind an alias", `source: {database: *${CANARY}}`],
  ["in a history", `select: {history: ${CANARY}}`],
] as const)("prints no secret %s", async ([, yaml]) => {
  const problem = await problemOf(loadConfig(await options(yaml)));

  expect(inspect(problem, { depth: 10 })).not.toContain(CANARY);
  expect(JSON.stringify(problem.report)).not.toContain(CANARY);
});

test("shows where each setting came from, and no secret", async () => {
  const yaml =
    "source:\n  database: postgresql://crosswind:${env:PW}@one:5433/airflow?password=${env:PW}\n  fernetKey: ${env:KEY}\n  api: {url: 'http://u:canary-5Zp8@h/', password: '${env:PW}'}\ntarget:\n  database: ${env:TARGET}\n";
  const env = { PW: CANARY, KEY, CROSSWIND_STATE: `postgresql://s:${CANARY}@three/z` };

  const settings = await readSettings(await options(yaml, { env }));

  const human = configShowView.human(settings, { isTerminal: false, width: 100 });
  const json = JSON.stringify(configShowView.json(settings));
  expect(human).toContain("postgresql://crosswind@one:5433/airflow");
  expect(human).toContain("crosswind.yaml:3, ${env:KEY} from environment variable KEY");
  expect(human).toContain("✗ the environment variable TARGET is not set");
  expect(human).toContain("postgresql://s@three/z");
  for (const text of [human, json, inspect(settings, { depth: 10 })]) {
    expect(text).not.toContain(CANARY);
    expect(text).not.toContain(KEY);
  }
});
