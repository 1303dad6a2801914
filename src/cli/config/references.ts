import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { Finding } from "../../domain/finding.ts";

/** `${env:NAME}` and `${file:PATH}`, anywhere in a text. */
export const REFERENCE = /\$\{(env|file):([^}]*)\}/g;
/** `file:PATH` as the whole text. */
const WHOLE_FILE = /^file:(.+)$/s;
/** A key or URL is a line; more is a wrong path. */
const LARGEST_FILE_BYTES = 64 * 1024;
const READABLE_BY_OTHERS = 0o004;

/** What references are resolved against: values from outside, and the folder of relative paths. */
export interface ReferenceWorld {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly folder: string;
}

/** A reference and what came of it. `from` says where it was read, or why it could not be; never the value. */
export interface ResolvedReference {
  readonly text: string;
  readonly from: string;
  readonly isMissing: boolean;
}

/** A text with its references replaced. `value` is undefined when one is missing. */
export interface ResolvedText {
  readonly value: string | undefined;
  readonly references: readonly ResolvedReference[];
  readonly findings: readonly Finding[];
}

type Outcome = ResolvedReference & { readonly value?: string; readonly finding?: Finding };

/** True when nothing but references (and the commas of a list) is in the text. */
export function isOnlyReferences(text: string): boolean {
  return WHOLE_FILE.test(text) || (text.includes("${") && /^[\s,]*$/.test(text.replaceAll(REFERENCE, "")));
}

/** Replaces every reference of a text. Reads files; never throws for one that can not be read. */
export async function resolveText(text: string, world: ReferenceWorld): Promise<ResolvedText> {
  const whole = WHOLE_FILE.exec(text);
  const outcomes: Outcome[] = [];
  const parts: string[] = [];
  let at = 0;
  const matches = whole === null ? [...text.matchAll(REFERENCE)] : [];
  for (const match of matches) {
    const outcome = await resolveOne(match[0], { kind: match[1] ?? "", name: match[2] ?? "" }, world);
    outcomes.push(outcome);
    parts.push(text.slice(at, match.index), outcome.value ?? "");
    at = match.index + match[0].length;
  }
  if (whole === null) parts.push(text.slice(at));
  else {
    const outcome = await readReferenceFile(text, whole[1] ?? "", world);
    outcomes.push(outcome);
    parts.push(outcome.value ?? "");
  }
  return {
    value: outcomes.some((each) => each.isMissing) ? undefined : parts.join(""),
    references: outcomes.map(({ text: written, from, isMissing }) => ({ text: written, from, isMissing })),
    findings: outcomes.flatMap((each) => each.finding ?? []),
  };
}

async function resolveOne(
  text: string,
  { kind, name }: { readonly kind: string; readonly name: string },
  world: ReferenceWorld,
): Promise<Outcome> {
  if (kind === "file") return await readReferenceFile(text, name, world);
  const value = world.env[name];
  if (value === undefined || value === "") {
    const why = value === undefined ? "is not set" : "is empty";
    return { text, from: `the environment variable ${name} ${why}`, isMissing: true };
  }
  return { text, from: `environment variable ${name}`, isMissing: false, value };
}

async function readReferenceFile(text: string, name: string, { folder }: ReferenceWorld): Promise<Outcome> {
  const path = resolve(folder, name);
  const missing = (why: string): Outcome => ({ text, from: `the file ${path} ${why}`, isMissing: true });
  try {
    const facts = await stat(path);
    if (!facts.isFile()) return missing("is no file");
    if (facts.size > LARGEST_FILE_BYTES) return missing("is larger than 64 KiB");
    const value = (await readFile(path, "utf8")).trim();
    if (value === "") return missing("is empty");
    const isOpen = process.platform !== "win32" && (facts.mode & READABLE_BY_OTHERS) !== 0;
    return { text, from: `file ${path}`, isMissing: false, value, ...(isOpen ? { finding: readableByAll(path) } : {}) };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    return missing(code === "ENOENT" ? "is not there" : `can not be read (${code})`);
  }
}

function readableByAll(path: string): Finding {
  return {
    code: "CONFIG_FILE_READABLE_BY_ALL",
    severity: "warning",
    what: `every user of this machine can read the secret in ${path}`,
    next: [`chmod 600 '${path.replaceAll("'", "'\\''")}'`],
  };
}
