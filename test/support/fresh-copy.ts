import { expect } from "vitest";
import { parseFernetKeys } from "../../src/airflow/codecs/index.ts";
import { Secret } from "../../src/domain/secret.ts";
import { anEnvironment, type Environment } from "./an-environment.ts";
import { compareTargets } from "./compare-targets.ts";

/**
 * What a copy into a fresh target would have given, and the target has not: sentences, none when they are equal.
 *
 * @param variables replace the environment's, as for a source that is elsewhere
 */
export async function differencesToFreshCopy(
  environment: Environment,
  variables: Readonly<Record<string, string>> = {},
): Promise<readonly string[]> {
  await using empty = await anEnvironment({ source: "nothing" });
  const env = { ...variables, TARGET_DATABASE_URL: empty.target.url };
  for (const args of [
    ["plan", "-o", "fresh.json"],
    ["apply", "fresh.json"],
  ]) {
    const { code, output } = await environment.run(args, { env });
    expect(code, output).toBe(0);
  }
  const keys = parseFernetKeys(new Secret(environment.variables["TARGET_FERNET_KEY"] ?? ""));
  const differences = await compareTargets(empty.target.url, environment.target.url, keys);
  // The first copy left room for later ids when there were fewer of them.
  return differences.filter((each) => !each.startsWith("sequence "));
}
