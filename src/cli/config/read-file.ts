import { readFile, stat } from "node:fs/promises";
import { basename } from "node:path";
import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument, visit, type YAMLError } from "yaml";
import type { z } from "zod";
import { configFile } from "../../contract/config.ts";
import { nearest } from "../../domain/nearest.ts";
import { type ConfigError, configInvalid, configNotFound } from "./problems.ts";

/** More is no configuration, and would only cost memory. */
const LARGEST_FILE_BYTES = 256 * 1024;
/** Anything else in the place of a key may be a secret that slipped, and is not printed. */
const PRINTABLE_KEY = /^[A-Za-z][\w.-]{0,40}$/;

/** A value of the file, as it was written. */
export interface FileValue {
  readonly value: unknown;
  readonly line: number;
}

/** By path: `source.database`. */
export type FileValues = ReadonlyMap<string, FileValue>;

/** The parser's own sentences quote the text, which may be a secret; these do not. Source: `ErrorCode` of the package yaml. */
const SYNTAX: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: "the same key is there twice",
  TAB_AS_INDENT: "lines are indented with blanks, never with tabs",
  BAD_INDENT: "the indentation is wrong",
  MISSING_CHAR: "a character is missing: a quote, a bracket or a colon",
  UNEXPECTED_TOKEN: "something is there that does not belong there",
  MULTIPLE_DOCS: "only one document is allowed",
  TAG_RESOLVE_FAILED: "tags (words that begin with !) are not allowed",
};

interface Parsed {
  readonly document: Document;
  readonly lineAt: (offset: number) => number;
}

/**
 * Reads `crosswind.yaml`: settings by their path, with their lines.
 *
 * Throws CONFIG_NOT_FOUND, or CONFIG_INVALID with all mistakes at once; neither quotes a value.
 */
export async function readConfigFile(file: string): Promise<FileValues> {
  const content = await readContent(file);
  const counter = new LineCounter();
  const document = parseDocument(content, {
    lineCounter: counter,
    prettyErrors: false,
    version: "1.2",
    schema: "core",
  });
  const parsed: Parsed = { document, lineAt: (offset) => counter.linePos(offset).line };
  const syntax = syntaxErrors(parsed);
  if (syntax.length > 0) throw configInvalid({ file: basename(file), errors: syntax });
  const written = (document.toJS({ maxAliasCount: 0 }) as unknown) ?? {};
  const result = configFile.safeParse(written);
  if (!result.success) {
    const errors = result.error.issues.flatMap((issue) => sentences(issue, parsed));
    throw configInvalid({ file: basename(file), errors });
  }
  return flatten(result.data, parsed);
}

async function readContent(file: string): Promise<string> {
  try {
    const facts = await stat(file);
    if (facts.size > LARGEST_FILE_BYTES) {
      throw configInvalid({ file: basename(file), errors: [{ where: "file", what: "it is larger than 256 KiB" }] });
    }
    return await readFile(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") throw configNotFound({ file }, { cause: error });
    if (code === "EISDIR" || code === "EACCES" || code === "EPERM") {
      const errors = [{ where: "file", what: `it can not be read (${code})` }];
      throw configInvalid({ file: basename(file), errors }, { cause: error });
    }
    throw error;
  }
}

function syntaxErrors({ document, lineAt }: Parsed): readonly ConfigError[] {
  const found = [...document.errors, ...document.warnings].map((error: YAMLError) => ({
    where: `line ${lineAt(error.pos[0])}`,
    what: SYNTAX[error.code] ?? `this is no valid YAML (${error.code})`,
  }));
  visit(document, {
    Alias: (_, node) => {
      found.push({ where: `line ${lineAt(node.range?.[0] ?? 0)}`, what: "aliases (*name) are not allowed" });
    },
    Node: (_, node) => {
      if (node.tag?.startsWith("!") === true && !found.some((each) => each.what === SYNTAX["TAG_RESOLVE_FAILED"])) {
        found.push({ where: `line ${lineAt(node.range?.[0] ?? 0)}`, what: SYNTAX["TAG_RESOLVE_FAILED"] ?? "" });
      }
    },
  });
  return found;
}

function sentences(issue: z.core.$ZodIssue, parsed: Parsed): readonly ConfigError[] {
  const path = issue.path.map(String);
  if (issue.code !== "unrecognized_keys") {
    return [{ where: `line ${lineOf(path, parsed)}`, what: `${path.join(".") || "the file"} ${issue.message}` }];
  }
  return issue.keys.map((key) => {
    const known = knownKeys(path);
    const meant = PRINTABLE_KEY.test(key) ? nearest(key, known) : undefined;
    const name = PRINTABLE_KEY.test(key) ? `"${[...path, key].join(".")}"` : "this";
    const hint = meant === undefined ? `known here: ${known.join(", ")}` : `did you mean "${meant}"?`;
    return { where: `line ${lineOf([...path, key], parsed)}`, what: `${name} is no setting; ${hint}` };
  });
}

/** The keys that the schema has at a path. */
function knownKeys(path: readonly string[]): readonly string[] {
  const inner = path.reduce<unknown>((schema, key) => shapeOf(schema)[key], configFile);
  return Object.keys(shapeOf(inner));
}

function shapeOf(schema: unknown): Readonly<Record<string, unknown>> {
  const bare = schema as { shape?: Record<string, unknown>; unwrap?: () => unknown } | undefined;
  if (bare?.shape !== undefined) return bare.shape;
  return bare?.unwrap === undefined ? {} : shapeOf(bare.unwrap());
}

/** The line of the key at a path, or of the nearest group around it that the file has. */
function lineOf(path: readonly string[], { document, lineAt }: Parsed): number {
  let node: unknown = document.contents;
  let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
  for (const key of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === key);
      if (pair === undefined) break;
      if (isNode(pair.key)) offset = pair.key.range?.[0] ?? offset;
      node = pair.value;
    } else {
      node = (node as { get?: (index: number, keep: boolean) => unknown }).get?.(Number(key), true);
      if (isNode(node)) offset = node.range?.[0] ?? offset;
    }
  }
  return lineAt(offset);
}

function flatten(content: unknown, parsed: Parsed, path: readonly string[] = []): FileValues {
  const entries = Object.entries(content as Readonly<Record<string, unknown>>).flatMap<readonly [string, FileValue]>(
    ([key, value]) => {
      const inner = [...path, key];
      const isGroup = typeof value === "object" && value !== null && !Array.isArray(value);
      if (isGroup) return [...flatten(value, parsed, inner)];
      const setting: readonly [string, FileValue] = [inner.join("."), { value, line: lineOf(inner, parsed) }];
      return value === undefined ? [] : [setting];
    },
  );
  return new Map(entries);
}
