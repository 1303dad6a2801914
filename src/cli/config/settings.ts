import type { z } from "zod";
import { settingFields } from "../../contract/config.ts";
import type { ConfigFlags } from "./options.ts";

/** `url` and `secret` may hold secrets and references; `secret` must not stand in the file itself. */
export type SettingKind = "url" | "secret" | "text" | "list" | "history" | "number";

/** A setting as data: where it can be given, and what it is when it is given nowhere. */
export interface SettingSpec {
  /** Its path in `crosswind.yaml`. */
  readonly name: string;
  /** The environment variable that gives it; lists are separated by commas there. */
  readonly env: string;
  readonly flag?: keyof ConfigFlags;
  readonly kind: SettingKind;
  readonly field: z.ZodType;
  readonly preset?: unknown;
  readonly isRequired?: true;
  /** A flag adds to what the file or the variable says, instead of replacing it. */
  readonly isAdded?: true;
}

function sideSettings(side: "source" | "target"): readonly SettingSpec[] {
  const prefix = `CROSSWIND_${side.toUpperCase()}`;
  const api = (name: string, kind: SettingKind, field: z.ZodType): SettingSpec => ({
    name: `${side}.api.${name}`,
    env: `${prefix}_API_${name.toUpperCase()}`,
    kind,
    field,
  });
  const limit = (name: string, kind: SettingKind, field: z.ZodType): SettingSpec => ({
    name: `${side}.limits.${name}`,
    env: `${prefix}_LIMITS_${name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`,
    kind,
    field,
  });
  return [
    {
      name: `${side}.database`,
      env: `${prefix}_DATABASE`,
      kind: "url",
      field: settingFields.database,
      isRequired: true,
    },
    { name: `${side}.fernetKey`, env: `${prefix}_FERNET_KEY`, kind: "secret", field: settingFields.fernetKey },
    api("url", "url", settingFields.apiUrl),
    api("username", "text", settingFields.apiUsername),
    api("password", "secret", settingFields.apiPassword),
    api("token", "secret", settingFields.apiToken),
    limit("connections", "number", settingFields.limitConnections),
    limit("rowsPerSecond", "number", settingFields.limitRows),
    limit("megabytesPerSecond", "number", settingFields.limitMegabytes),
    limit("hours", "text", settingFields.limitHours),
  ];
}

/** Every setting, in the order of the file. */
export const settingSpecs: readonly SettingSpec[] = [
  ...sideSettings("source"),
  ...sideSettings("target"),
  {
    name: "select.dags",
    env: "CROSSWIND_SELECT_DAGS",
    flag: "dag",
    kind: "list",
    field: settingFields.dags,
    preset: ["*"],
  },
  {
    name: "select.history",
    env: "CROSSWIND_SELECT_HISTORY",
    flag: "history",
    kind: "history",
    field: settingFields.history,
    preset: "all",
  },
  {
    name: "select.entities",
    env: "CROSSWIND_SELECT_ENTITIES",
    flag: "entity",
    kind: "list",
    field: settingFields.entities,
    preset: ["*"],
  },
  {
    name: "select.without",
    env: "CROSSWIND_SELECT_WITHOUT",
    flag: "without",
    kind: "list",
    field: settingFields.without,
    preset: [],
    isAdded: true,
  },
  {
    name: "select.onConflict",
    env: "CROSSWIND_SELECT_ON_CONFLICT",
    flag: "onConflict",
    kind: "list",
    field: settingFields.onConflict,
    preset: [],
    isAdded: true,
  },
  { name: "state", env: "CROSSWIND_STATE", flag: "state", kind: "url", field: settingFields.state },
  { name: "staging", env: "CROSSWIND_STAGING", kind: "url", field: settingFields.staging },
  {
    name: "lanes",
    env: "CROSSWIND_LANES",
    flag: "lanes",
    kind: "number",
    field: settingFields.lanes,
    preset: 2,
  },
  {
    name: "snapshotMinutes",
    env: "CROSSWIND_SNAPSHOT_MINUTES",
    kind: "number",
    field: settingFields.snapshotMinutes,
    preset: 60,
  },
];

/** Where a value came from, the strongest first. */
export type Origin = "flag" | "environment" | "file" | "default" | "not set";

/** A setting with where it came from, safe to print. */
export interface Setting {
  readonly name: string;
  readonly origin: Origin;
  /** `--dag`, `CROSSWIND_LANES`, `crosswind.yaml:3`; absent for defaults. */
  readonly from?: string;
  /** The value for people: dots for a secret, `user@host:port/database` for a URL. */
  readonly shown: string;
  /** Its references as they were written, and what each was read from or why it could not be. */
  readonly references: readonly { readonly text: string; readonly from: string; readonly isMissing: boolean }[];
}
