import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import type { CommandContext } from "../command.ts";
import { refuseVariableName } from "../config/ask.ts";
import { loadConfig } from "../config/load.ts";
import { initView } from "../views/init.ts";
import { initCommand } from "./init.ts";

const FLAGS = {
  sourceDatabase: "${env:SOURCE_DATABASE_URL}",
  sourceFernetKey: "${env:SOURCE_FERNET_KEY}",
  targetDatabase: "postgresql://crosswind@new:5432/airflow",
  targetFernetKey: "file:./target key.txt",
  force: false,
};

async function aContext(json = false): Promise<CommandContext> {
  const cwd = await mkdtemp(join(tmpdir(), "crosswind-init-"));
  onTestFinished(() => rm(cwd, { recursive: true }));
  const silent = (): void => {};
  const world = {
    env: {},
    cwd,
    now: () => new Date(0),
    host: "here",
    user: "u",
    isTerminal: false,
    width: 100,
    out: silent,
    err: silent,
  };
  return {
    world,
    configFile: join(cwd, "crosswind.yaml"),
    json,
    signal: new AbortController().signal,
  };
}

test("writes a configuration that reads back as it was given, and a schema for editors", async () => {
  const context = await aContext();

  const { value } = await initCommand.run(context, { ...FLAGS, dag: ["*", "!tmp_*"], history: "90d" }, []);

  const text = await readFile(context.configFile, "utf8");
  const schema = JSON.parse(await readFile(value.schemaFile, "utf8")) as { properties: object };
  const env = { SOURCE_DATABASE_URL: "postgresql://a@h/d", SOURCE_FERNET_KEY: "k", CROSSWIND_TARGET_FERNET_KEY: "k" };
  const { config } = await loadConfig({ file: context.configFile, env, cwd: "/" });
  expect(text.split("\n")[0]).toBe("# yaml-language-server: $schema=.crosswind/crosswind.schema.json");
  expect(text).toContain('fernetKey: "file:./target key.txt"');
  expect(Object.keys(schema.properties)).toEqual([
    "source",
    "target",
    "select",
    "state",
    "staging",
    "lanes",
    "snapshotMinutes",
  ]);
  expect(config.target.database.reveal()).toBe(FLAGS.targetDatabase);
  expect(config.select).toMatchObject({ dags: ["*", "!tmp_*"], history: { kind: "days", days: 90 } });
  expect(initView.human(value, { isTerminal: false, width: 100 })).toMatch(/Next: crosswind doctor$/);
});

test("never overwrites a configuration, except by force", async () => {
  const context = await aContext();
  await initCommand.run(context, FLAGS, []);

  await expect(initCommand.run(context, { ...FLAGS, history: "100" }, [])).rejects.toMatchObject({
    code: "CONFIG_EXISTS",
  });
  await initCommand.run(context, { ...FLAGS, history: "100", force: true }, []);

  expect(await readFile(context.configFile, "utf8")).toContain("history: 100");
});

test.for([true, false])("names the missing flags where it may not ask (--json: %s)", async (json) => {
  const context = await aContext(json);

  const running = initCommand.run(context, { sourceDatabase: "${env:A}", force: false }, []);

  await expect(running).rejects.toMatchObject({
    code: "USAGE_FLAGS_MISSING",
    message: expect.stringContaining("--source-fernet-key, --target-database, --target-fernet-key"),
  });
});

test.for([{ sourceFernetKey: "canary" }, { targetDatabase: "postgresql://u:canary@h/d" }])(
  "refuses a secret in a flag without repeating it: %o",
  async (flags) => {
    const context = await aContext();

    const problem = await initCommand.run(context, { ...FLAGS, ...flags }, []).catch((error: Error) => error);

    expect(problem).toMatchObject({ code: "CONFIG_SECRET_IN_FLAG" });
    expect(inspect(problem)).not.toContain("canary");
  },
);

test("takes the name of a variable, and not a secret in its place", () => {
  expect(refuseVariableName("SOURCE_FERNET_KEY")).toBeUndefined();
  expect(refuseVariableName("postgresql://u:p@h/d")).toMatch(/not its value/);
  expect(refuseVariableName("c2Vjcm90LWNhbmFyeS1rZXktb2YtMzItYnl0ZXMuLi4=")).toMatch(/not its value/);
});
