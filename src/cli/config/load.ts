import { dirname } from "node:path";
import type { ApiConfig, Config, EnvironmentConfig, Limits } from "../../domain/config.ts";
import type { Finding } from "../../domain/finding.ts";
import { isProblem } from "../../domain/problem.ts";
import { Secret } from "../../domain/secret.ts";
import { EVERYTHING, parseConflictChoice, parseHistory } from "../../domain/selection.ts";
import type { ConfigFlags } from "./options.ts";
import { type Picked, pick, type Sources } from "./pick.ts";
import * as problems from "./problems.ts";
import { type FileValues, readConfigFile } from "./read-file.ts";
import { isOnlyReferences, REFERENCE, type ResolvedText, resolveText } from "./references.ts";
import { type Setting, type SettingKind, settingSpecs } from "./settings.ts";
import { hasPassword, urlLabel } from "./url-label.ts";

/** What settings are read from. */
export interface LoadOptions {
  /** `crosswind.yaml`, absolute. It may be missing where the environment gives both databases. */
  readonly file: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The folder that `file:` references in flags and environment variables are relative to; those in the file are relative to it. */
  readonly cwd: string;
  readonly flags?: ConfigFlags;
}

/** Every setting with where it came from, and warnings about them; nothing here is secret. */
export interface ReadSettings {
  readonly origins: readonly Setting[];
  readonly findings: readonly Finding[];
}

/** A configuration that can be used. */
export interface LoadedConfig extends ReadSettings {
  readonly config: Config;
}

interface Resolved extends ResolvedText {
  readonly picked: Picked;
}

/**
 * Reads the settings without insisting that every reference can be resolved: for showing them.
 *
 * Throws CONFIG_NOT_FOUND, CONFIG_INVALID, CONFIG_SECRET_IN_FILE or CONFIG_SECRET_IN_FLAG.
 */
export async function readSettings(options: LoadOptions): Promise<ReadSettings> {
  return summary(await resolveAll(options));
}

/**
 * Reads the configuration: flag before environment variable before file before default, references resolved.
 *
 * Throws what {@link readSettings} throws, and CONFIG_REFERENCE_MISSING with every reference that can not be resolved.
 */
export async function loadConfig(options: LoadOptions): Promise<LoadedConfig> {
  const resolved = await resolveAll(options);
  const missing = resolved.flatMap(({ picked, references }) =>
    references
      .filter((each) => each.isMissing)
      .map((each) => ({ where: `${picked.spec.name} (${picked.from})`, what: each.from })),
  );
  if (missing.length > 0) throw problems.configReferenceMissing({ file: options.file, errors: missing });
  return { config: toConfig(resolved), ...summary(resolved) };
}

async function resolveAll(options: LoadOptions): Promise<readonly Resolved[]> {
  const values = await valuesOf(options);
  const sources: Sources = { flags: options.flags ?? {}, env: options.env, values, file: options.file };
  const results = settingSpecs.map((spec) => pick(spec, sources));
  const picked = results.flatMap((result) => ("picked" in result ? [result.picked] : []));
  const unset = picked
    .filter(({ spec, origin }) => spec.isRequired === true && origin === "not set")
    .map(({ spec }) => ({ where: spec.name, what: `is not set, neither in the file nor by ${spec.env}` }));
  const errors = [...results.flatMap((result) => ("error" in result ? [result.error] : [])), ...unset];
  if (errors.length > 0) throw problems.configInvalid({ file: options.file, errors });
  refuseSecrets(options.file, picked);
  return await Promise.all(picked.map((each) => resolvePicked(each, options)));
}

async function valuesOf({ file, env }: LoadOptions): Promise<FileValues> {
  try {
    return await readConfigFile(file);
  } catch (error) {
    const isGivenElsewhere = settingSpecs.every((spec) => spec.isRequired !== true || (env[spec.env] ?? "") !== "");
    if (isProblem(error) && error.code === "CONFIG_NOT_FOUND" && isGivenElsewhere) return new Map();
    throw error;
  }
}

/** Keys and tokens are never written into the file, and no secret is ever given by a flag. */
function refuseSecrets(file: string, picked: readonly Picked[]): void {
  const inFlags = picked.filter(
    ({ spec, origin, value }) => origin === "flag" && spec.kind === "url" && hasPassword(String(value), REFERENCE),
  );
  if (inFlags.length > 0) throw problems.configSecretInFlag({ flags: inFlags.map((each) => String(each.from)) });
  const inFile = picked.filter(
    ({ spec, origin, value }) => origin === "file" && spec.kind === "secret" && !isOnlyReferences(String(value)),
  );
  const [first] = inFile;
  if (first === undefined) return;
  const errors = inFile.map(({ spec, from }) => ({ where: String(from), what: `${spec.name} is written out` }));
  const variable = first.spec.env.replace("CROSSWIND_", "");
  throw problems.configSecretInFile({ file, errors, variable });
}

/** Kinds of settings that references may stand in. */
const REFERRING: ReadonlySet<SettingKind> = new Set(["url", "secret", "text"]);

async function resolvePicked(picked: Picked, options: LoadOptions): Promise<Resolved> {
  const { spec, origin, value } = picked;
  const nothing = { picked, value: undefined, references: [], findings: [] };
  if (!REFERRING.has(spec.kind) || typeof value !== "string") return nothing;
  const folder = origin === "file" ? dirname(options.file) : options.cwd;
  const resolved = await resolveText(value, { env: options.env, folder });
  const literal = origin === "file" && spec.kind === "url" && hasPassword(value, REFERENCE);
  return {
    picked,
    ...resolved,
    findings: literal ? [...resolved.findings, passwordInFile(picked)] : resolved.findings,
  };
}

function passwordInFile({ spec, from }: Picked): Finding {
  return {
    code: "CONFIG_PASSWORD_IN_FILE",
    severity: "warning",
    what: `${spec.name} (${from}) holds a password: whoever can read the file can read it`,
    next: [`put the URL into an environment variable and write: \${env:${spec.env.replace("CROSSWIND_", "")}_URL}`],
  };
}

function summary(resolved: readonly Resolved[]): ReadSettings {
  return { origins: resolved.map(toSetting), findings: resolved.flatMap((each) => each.findings) };
}

function toSetting({ picked, value, references }: Resolved): Setting {
  const { spec, origin, from } = picked;
  return {
    name: spec.name,
    origin,
    ...(from === undefined ? {} : { from }),
    shown: shownValue(picked, value),
    references,
  };
}

/** A value of each kind for people; `resolved` is undefined where a reference is missing or nobody resolved it. */
const SHOWN: Readonly<Record<SettingKind, (value: unknown, resolved: string | undefined) => string>> = {
  url: (_, resolved) => (resolved === undefined ? "" : urlLabel(resolved)),
  secret: (_, resolved) => (resolved === undefined ? "" : String(new Secret(resolved))),
  list: (value) => (value as readonly string[]).join(", "),
  history: String,
  number: String,
  text: (value, resolved) => resolved ?? String(value),
};

function shownValue({ spec, origin, value }: Picked, resolved: string | undefined): string {
  if (origin === "not set") return "";
  return SHOWN[spec.kind](value, resolved);
}

function apiOf(side: string, byName: ReadonlyMap<string, Resolved>): ApiConfig | undefined {
  const read = (name: string) => byName.get(`${side}.api.${name}`)?.value;
  const [url, username, password, token] = [read("url"), read("username"), read("password"), read("token")];
  const given = {
    ...(url === undefined ? {} : { url }),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password: new Secret(password) }),
    ...(token === undefined ? {} : { token: new Secret(token) }),
  };
  return Object.keys(given).length === 0 ? undefined : given;
}

const LIMITS = ["connections", "rowsPerSecond", "megabytesPerSecond", "hours"] as const;

function limitsOf(side: string, byName: ReadonlyMap<string, Resolved>): Limits | undefined {
  const given = LIMITS.map((name) => [name, byName.get(`${side}.limits.${name}`)?.picked.value] as const);
  const set = given.filter(([, value]) => value !== undefined);
  return set.length === 0 ? undefined : Object.fromEntries(set);
}

function toConfig(resolved: readonly Resolved[]): Config {
  const byName = new Map(resolved.map((each) => [each.picked.spec.name, each]));
  const secret = (name: string) => {
    const value = byName.get(name)?.value;
    return value === undefined ? undefined : new Secret(value);
  };
  const plain = (name: string) => byName.get(name)?.picked.value;
  const environment = (side: string): EnvironmentConfig => {
    const fernetKey = secret(`${side}.fernetKey`);
    const database = secret(`${side}.database`) ?? new Secret("");
    const [api, limits] = [apiOf(side, byName), limitsOf(side, byName)];
    return {
      database,
      ...(fernetKey === undefined ? {} : { fernetKey }),
      ...(api === undefined ? {} : { api }),
      ...(limits === undefined ? {} : { limits }),
    };
  };
  const [state, staging] = [secret("state"), secret("staging")];
  return {
    source: environment("source"),
    target: environment("target"),
    select: {
      dags: plain("select.dags") as readonly string[],
      entities: plain("select.entities") as readonly string[],
      history: parseHistory(String(plain("select.history"))) ?? EVERYTHING.history,
      without: plain("select.without") as readonly string[],
      // A later choice wins: flags come after the file.
      onConflict: Object.fromEntries(
        (plain("select.onConflict") as readonly string[]).flatMap((each) => {
          const choice = parseConflictChoice(each);
          return choice === undefined ? [] : [choice];
        }),
      ),
    },
    ...(state === undefined ? {} : { state }),
    ...(staging === undefined ? {} : { staging }),
    lanes: plain("lanes") as number,
    snapshotMinutes: plain("snapshotMinutes") as number,
  };
}
