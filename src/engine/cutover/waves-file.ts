import { parseDocument, stringify, visit } from "yaml";
import { z } from "zod";
import type { Finding } from "../../domain/finding.ts";
import type { Problem } from "../../domain/problem.ts";
import { wavesFileInvalid } from "./problems.ts";
import type { Tie } from "./ties.ts";
import { chainsOf, describeTie, type Wave } from "./waves.ts";

/** More is no list of DAGs, and would only cost memory. */
const LARGEST_FILE_BYTES = 4 * 1024 * 1024;

const wavesFile = z.strictObject({
  waves: z.array(
    z.strictObject({
      name: z.string().regex(/^[\w.-]{1,100}$/, "a name is made of letters, digits, dots, dashes and underscores"),
      dags: z.array(z.strictObject({ id: z.string().min(1).max(250), why: z.array(z.string()).default([]) })),
    }),
  ),
});

const HEAD = ` Waves of the cutover, in this order: the DAGs of one are switched together. Move DAGs as you like, and keep
 those together that are tied ("why" says by what). "why" is for people: nothing reads it.`;

/** The waves as a file for people to edit. */
export function writeWaves(waves: readonly Wave[]): string {
  const body = stringify(
    { waves: waves.map(({ name, dags }) => ({ name, dags: dags.map(({ dagId, why }) => ({ id: dagId, why })) })) },
    { lineWidth: 0, aliasDuplicateObjects: false },
  );
  return `${HEAD.replaceAll(/^/gm, "#")}\n${body}`;
}

/** More mistakes than this are mended in another round. */
const MOST_MISTAKES = 10;

function invalid(mistakes: readonly string[]): Problem {
  return wavesFileInvalid({ mistakes: mistakes.slice(0, MOST_MISTAKES).join("; ") });
}

/** Reads an edited file. Throws WAVES_FILE_INVALID, with every mistake at once; tags, anchors and unknown keys are mistakes. */
export function readWaves(text: string): readonly Wave[] {
  if (Buffer.byteLength(text) > LARGEST_FILE_BYTES) throw invalid(["it is larger than 4 MiB"]);
  const document = parseDocument(text, { version: "1.2", schema: "core", prettyErrors: false, uniqueKeys: true });
  const mistakes = [...document.errors, ...document.warnings].map(({ code, pos }) => `${code} at character ${pos[0]}`);
  visit(document, {
    Alias: () => void mistakes.push("references (*name) are not allowed"),
    Node: (_, node) => {
      if ("tag" in node && node.tag !== undefined) mistakes.push(`the tag ${node.tag} is not allowed`);
    },
  });
  if (mistakes.length > 0) throw invalid(mistakes);
  const parsed = wavesFile.safeParse(document.toJS({ maxAliasCount: 0 }));
  if (!parsed.success) {
    const issues = parsed.error.issues.map(({ path, message }) => `${path.join(".") || "file"}: ${message}`);
    throw invalid(issues);
  }
  return parsed.data.waves.map(({ name, dags }) => ({ name, dags: dags.map(({ id, why }) => ({ dagId: id, why })) }));
}

/** What an edited file is held against. */
export interface WavesContext {
  /** The selected DAGs of the source. */
  readonly dagIds: readonly string[];
  readonly ties: readonly Tie[];
}

/** Checks waves against the source's DAGs: doubled, missing and unknown DAGs, equal names, and chains that are split. */
export function checkWaves(waves: readonly Wave[], context: WavesContext): readonly Finding[] {
  const listed = waves.flatMap(({ name, dags }) => dags.map(({ dagId }) => ({ dagId, name })));
  const places = Map.groupBy(listed, ({ dagId }) => dagId);
  const known = new Set(context.dagIds);
  return [
    ...doubledNames(waves),
    ...about(
      "WAVE_DAG_TWICE",
      [...places].filter(([, each]) => each.length > 1).map(([id]) => id),
    ),
    ...about(
      "WAVE_DAG_MISSING",
      context.dagIds.filter((id) => !places.has(id)),
    ),
    ...about(
      "WAVE_DAG_UNKNOWN",
      [...places.keys()].filter((id) => !known.has(id)),
    ),
    ...splitChains(places, context),
  ];
}

type CheckCode = "WAVE_DAG_TWICE" | "WAVE_DAG_MISSING" | "WAVE_DAG_UNKNOWN";

const CHECKS: Readonly<Record<CheckCode, Pick<Finding, "severity" | "what" | "next">>> = {
  WAVE_DAG_TWICE: {
    severity: "blocker",
    what: "a DAG is listed more than once: it can be switched only once",
    next: ["leave it in one wave"],
  },
  WAVE_DAG_MISSING: {
    severity: "warning",
    what: "a selected DAG is in no wave: it stays on the source",
    next: ["add it to a wave, or leave it out of the selection"],
  },
  WAVE_DAG_UNKNOWN: {
    severity: "blocker",
    what: "a listed DAG is not among the selected DAGs of the source",
    next: ["check its id, or take it off the list"],
  },
};

const SCREENFUL = 20;

function about(code: CheckCode, dagIds: readonly string[]): readonly Finding[] {
  if (dagIds.length === 0) return [];
  const subjects = dagIds.slice(0, SCREENFUL).map((id) => `dag:${id}`);
  return [{ code, ...CHECKS[code], subjects, count: dagIds.length }];
}

function doubledNames(waves: readonly Wave[]): readonly Finding[] {
  const doubled = [...Map.groupBy(waves, ({ name }) => name)]
    .filter(([, each]) => each.length > 1)
    .map(([name]) => name);
  if (doubled.length === 0) return [];
  const what = "two waves have the same name";
  return [
    { code: "WAVE_NAME_TWICE", severity: "blocker", what, next: ["rename one"], subjects: doubled.slice(0, SCREENFUL) },
  ];
}

type Places = ReadonlyMap<string, readonly { readonly name: string }[]>;

function splitChains(places: Places, { dagIds, ties }: WavesContext): readonly Finding[] {
  const waveOf = (id: string): string => places.get(id)?.[0]?.name ?? "no wave";
  return chainsOf(dagIds, ties).flatMap((chain): readonly Finding[] => {
    const waves = new Set(chain.map(waveOf));
    if (waves.size < 2) return [];
    const members = new Set(chain);
    const crossing = ties.filter(({ from, to }) => members.has(from) && members.has(to) && waveOf(from) !== waveOf(to));
    return [
      {
        code: "WAVE_SPLITS_CHAIN",
        severity: "warning",
        what: `DAGs that are tied are in different waves (${[...waves].join(", ")}): ${crossing.slice(0, 3).map(describeTie).join("; ")}`,
        next: ["move them into one wave, or see that nothing is missed between the two"],
        subjects: chain.slice(0, SCREENFUL).map((id) => `dag:${id}`),
        count: chain.length,
      },
    ];
  });
}
