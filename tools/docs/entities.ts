import { keyOf, rowOf, tableOf } from "../../src/airflow/define-entity.ts";
import { entities } from "../../src/airflow/entities/index.ts";
import { type NotCopiedClass, notCopied } from "../../src/airflow/not-copied.ts";
import { recordedReleases, releases } from "../../src/airflow/releases.ts";
import type { Entity, Scope } from "../../src/domain/entity.ts";
import { code, codes, page, table } from "./markdown.ts";

const CLASSES: Readonly<Record<NotCopiedClass, string>> = {
  derived: "Made anew by the target",
  live: "Work in progress of one environment",
  transient: "Tokens and signs of life",
  users: "People and what they may do",
  "left-over": "Left by an upgrade, used by nobody",
  schema: "Airflow's record of its own schema migrations",
};

const LOAD: Readonly<Record<Entity["load"], string>> = {
  bulk: "history, in chunks",
  merge: "few rows, merged by key with those of the target",
};

function range(text: string | undefined): string {
  return text === undefined || text === "" ? "all" : text;
}

function scopeOf(scope: Scope): string {
  if (scope.of === "environment") return "all of them, whatever DAGs are selected";
  if (scope.of === "dag") return "those of selected DAGs";
  const ofRuns = "those of selected, finished runs";
  return scope.runIsOptional === true ? `${ofRuns}, and those of no run` : ofRuns;
}

function fieldRows(entity: Entity): readonly (readonly string[])[] {
  return Object.entries(entity.fields).flatMap(([name, field]) => {
    const here = recordedReleases.filter((release) => tableOf(entity, release) !== undefined);
    const gaps = field.rows.filter(
      (row) => row.column === undefined && here.some((release) => rowOf(field, release) === row),
    );
    const isKept = field.rows.some((row) => row.column !== undefined);
    if (!isKept || gaps.length === 0) return [];
    return [
      [
        code(name),
        gaps.map((row) => range(row.in)).join(", "),
        field.lost ?? (field.heldBy === undefined ? "" : `told by ${codes(field.heldBy)}`),
      ],
    ];
  });
}

function ignoredRows(entity: Entity): readonly (readonly string[])[] {
  const compared = Object.entries(entity.fields).flatMap(([name, { compare }]) =>
    typeof compare === "object" ? [[name, compare.ignore] as const] : [],
  );
  const unset = entity.unset.map(({ column, in: within, reason }) => {
    return [within === undefined ? column : `${column} (${within})`, reason] as const;
  });
  const rows = (pairs: readonly (readonly [string, string])[], what: string) =>
    [...Map.groupBy(pairs, ([, reason]) => reason)].map(([reason, group]) => [
      codes(group.map(([name]) => name)),
      what,
      reason,
    ]);
  return [...rows(unset, "not written"), ...rows(compared, "written, not compared")];
}

function optional(title: string, body: string): readonly string[] {
  return body === "" ? [] : [title, body];
}

function section(entity: Entity): string {
  const tables = entity.tables.map((row) => {
    return `${code(row.table)} (${range(row.in)}${row.isOptional === true ? ", where the database has it" : ""})`;
  });
  const keys = new Set(
    recordedReleases.filter((each) => tableOf(entity, each)).map((each) => codes(keyOf(entity, each))),
  );
  const facts = [
    ["named", code(entity.id)],
    ["tables", tables.join(", ")],
    ["key", [...keys].join("; or ")],
    ["loaded as", LOAD[entity.load]],
    ["a selection takes", scopeOf(entity.scope)],
    ...(entity.serial === undefined
      ? []
      : [
          [
            "ids",
            entity.serial.rule === "kept"
              ? "kept, plus a recorded offset"
              : "the target's own; references follow by key",
          ],
        ]),
    ...(entity.lost === undefined ? [] : [["where there is no table", entity.lost]]),
  ];
  const leave = (entity.leave ?? []).map((each) => [range(each.to), each.reason]);
  return [
    `## ${entity.title}`,
    table(["", ""], facts),
    ...optional("Rows that stay behind:", table(["target", "why"], leave)),
    ...optional("Fields that a release has no place for:", table(["field", "releases", "why"], fieldRows(entity))),
    ...optional("Columns apart:", table(["column", "", "why"], ignoredRows(entity))),
  ].join("\n\n");
}

function notCopiedTable(): string {
  const groups = Map.groupBy(notCopied, (each) => `${each.class}\n${each.in ?? ""}\n${each.reason}`);
  return table(
    ["", "tables", "releases", "why"],
    [...groups.values()].map((group) => [
      CLASSES[group[0]?.class ?? "derived"],
      codes(group.map((each) => each.table)),
      range(group[0]?.in),
      group[0]?.reason ?? "",
    ]),
  );
}

/** docs/reference/entities.md */
export function entitiesPage(): string {
  const first = releases[0]?.from;
  return page(
    "# Entities",
    `What Crosswind knows of each kind of content, in the order in which it is copied. Ranges are of Airflow releases; "all" is every release from ${first} on. Tried with recorded schemas of ${recordedReleases.join(", ")}.`,
    ...entities.map(section),
    "## Not copied",
    notCopiedTable(),
  );
}
