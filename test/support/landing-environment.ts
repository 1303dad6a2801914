import { stopEmbeddedPostgres } from "../../src/databases/embedded/embedded-postgres.ts";
import { thisHost } from "../../src/databases/embedded/host.ts";
import { stagingName } from "../../src/databases/staging/staging.ts";
import { anEnvironment, type Environment } from "./an-environment.ts";

export interface LandingOptions {
  /** The source as Airflow has it: `sqlite:///...`, `mysql+pymysql://...`. */
  readonly url: string;
  /** Default: on the test cluster; `embedded`: in `.crosswind/` of the folder. */
  readonly staging?: "cluster" | "embedded";
}

/** An environment whose source is landed, with an empty 3.3.2 as its target. What was landed goes at the end of the scope. */
export async function aLandingEnvironment({ url, staging = "cluster" }: LandingOptions): Promise<Environment> {
  await using resources = new AsyncDisposableStack();
  const config = staging === "cluster" ? { config: "staging: ${env:STATE_DATABASE_URL}" } : {};
  const inner = resources.use(await anEnvironment({ source: "nothing", ...config }));
  resources.defer(async () => {
    if (staging === "cluster") {
      const source = url.replace(/^mysql\+pymysql:\/\/([^:]+):[^@]*@/, "mysql://$1@");
      for (const name of [stagingName({ source }), stagingName({ source, purpose: "doctor" })]) {
        await inner.state.query(`drop database if exists "${name}" with (force)`);
      }
      return;
    }
    const options = { name: "staging", homeDir: inner.folder, host: thisHost("durable") };
    await stopEmbeddedPostgres(options, { remove: true });
  });
  const variables = { ...inner.variables, SOURCE_DATABASE_URL: url };
  const own: Environment["run"] = (args, options = {}) =>
    inner.run(args, { ...options, env: { SOURCE_DATABASE_URL: url, ...options.env } });
  const withSource = <R>(run: (args?: readonly string[], options?: Parameters<Environment["run"]>[1]) => Promise<R>) =>
    ((args = [], options = {}) =>
      run(args, { ...options, env: { SOURCE_DATABASE_URL: url, ...options.env } })) as typeof run;
  const kept = resources.move();
  return {
    ...inner,
    variables,
    run: own,
    plan: withSource((args, options) => inner.plan(args, options)),
    apply: withSource((args, options) => inner.apply(args, options)),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
