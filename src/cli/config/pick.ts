import { basename } from "node:path";
import type { ConfigFlags } from "./options.ts";
import type { ConfigError } from "./problems.ts";
import type { FileValues } from "./read-file.ts";
import type { Origin, SettingSpec } from "./settings.ts";

/** Where settings are looked for. */
export interface Sources {
  readonly flags: ConfigFlags;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly values: FileValues;
  readonly file: string;
}

/** A setting's value before its references are resolved, and where it was found. */
export interface Picked {
  readonly spec: SettingSpec;
  readonly origin: Origin;
  readonly from?: string;
  readonly value: unknown;
}

/** A value, or why it can not be one. */
export type PickResult = { readonly picked: Picked } | { readonly error: ConfigError };

/** `source.fernetKey` and `fernetKey` as a flag's name: `--fernet-key`. */
export function flagName(key: string): string {
  return `--${key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** Flag, environment variable, file, default: the first that has the setting gives it. */
export function pick(spec: SettingSpec, sources: Sources): PickResult {
  const below = fromEnvironment(spec, sources) ?? fromFile(spec, sources) ?? fromDefault(spec);
  const flag = spec.flag === undefined ? undefined : sources.flags[spec.flag];
  if (spec.flag === undefined || flag === undefined) return below;
  const name = flagName(spec.flag);
  const given = validated(spec, { origin: "flag", from: name, value: flag });
  if ("error" in given || spec.isAdded === undefined || "error" in below || below.picked.origin === "default") {
    return given;
  }
  const both = [...(below.picked.value as readonly string[]), ...(given.picked.value as readonly string[])];
  return { picked: { spec, origin: "flag", from: `${below.picked.from} and ${name}`, value: both } };
}

function fromEnvironment(spec: SettingSpec, { env }: Sources): PickResult | undefined {
  const text = env[spec.env];
  if (text === undefined || text === "") return undefined;
  return validated(spec, { origin: "environment", from: spec.env, value: readText(spec, text) });
}

function fromFile(spec: SettingSpec, { values, file }: Sources): PickResult | undefined {
  const found = values.get(spec.name);
  if (found === undefined) return undefined;
  return { picked: { spec, origin: "file", from: `${basename(file)}:${found.line}`, value: found.value } };
}

function fromDefault(spec: SettingSpec): PickResult {
  const { preset } = spec;
  return { picked: { spec, origin: preset === undefined ? "not set" : "default", value: preset } };
}

function readText(spec: SettingSpec, text: string): unknown {
  if (spec.kind === "number") return Number(text);
  if (spec.kind !== "list") return text;
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

function validated(spec: SettingSpec, found: Omit<Picked, "spec">): PickResult {
  const result = spec.field.safeParse(found.value);
  if (result.success) return { picked: { spec, ...found, value: result.data } };
  return { error: { where: found.from ?? spec.name, what: result.error.issues[0]?.message ?? "can not be used" } };
}
